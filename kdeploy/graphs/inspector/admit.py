"""Admission of an ONNX file from outside, which is inspected before any runtime sees it.

    path -> a regular file of bounded size -> child process (memory, CPU and wall time bounded, no torch)
         -> parse -> text -> versions -> graph -> stored tensors and side files, finite -> ONNX's checker
         -> activations -> Inspection
         -> another child: one call on ONNX Runtime, which must end

The threat: a file may be malformed to crash a native parser, lead a reader to other files, ask for a terabyte or for
ever, or be read differently by two runtimes. What is refused, and why, stands with each check.

Known limits: between inspection and use a file can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdeploy.errors import ParityError
from kdeploy.graphs.inspector.child import inspect
from kdeploy.graphs.inspector.record import Inspection, InspectionLimits
from kdeploy.graphs.inspector.trial import call_once

__all__ = ["Inspection", "InspectionLimits", "admit", "check_repeatable", "inspect"]


def admit(path: Path, shape: Sequence[int] | None = None) -> Inspection:
    """Inspect a model that is to be run: it must also answer, and the same each time.

    Args:
        shape: the lengths of a sample, where some are free.
    Raises: what `inspect` raises, ParityError for a model that is random or in training mode, and ResourceError for one
        that does not end when it is called once.
    """
    inspection = inspect(path, shape=shape)
    check_repeatable(inspection, path)
    call_once(path, inspection)
    return inspection


def check_repeatable(inspection: Inspection, path: Path) -> None:
    """Raises: ParityError for a model that is random or in training mode."""
    if inspection.unrepeatable:
        raise ParityError(
            str(path),
            "must not be random or in training mode",
            got=inspection.unrepeatable[0],
            advice="Export it in evaluation mode.",
        )
