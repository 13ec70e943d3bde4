"""Admission of an ONNX file from outside, which is inspected before any runtime sees it.

    path -> a regular file of bounded size -> child process (memory, CPU and wall time bounded, no torch)
         -> parse -> text -> versions -> graph -> stored tensors and side files, finite -> ONNX's checker
         -> activations -> Inspection

The threat: a file may be malformed to crash a native parser, lead a reader to other files, ask for a terabyte or for
ever, or be read differently by two runtimes. What is refused, and why, stands with each check.

Known limits: between inspection and use a file can change, and the time that a node takes is not estimated.
"""

from __future__ import annotations

from pathlib import Path

from kdeploy.errors import ParityError
from kdeploy.graphs.inspector.child import inspect
from kdeploy.graphs.inspector.record import Inspection, InspectionLimits

__all__ = ["Inspection", "InspectionLimits", "admit", "inspect"]


def admit(path: Path) -> Inspection:
    """Inspect a model that is to be compared or copied from: it must also answer the same each time.

    Raises: what `inspect` raises, and ParityError for a model that is random or in training mode.
    """
    inspection = inspect(path)
    if inspection.unrepeatable:
        raise ParityError(
            str(path),
            "must not be random or in training mode",
            got=inspection.unrepeatable[0],
            advice="Export it in evaluation mode.",
        )
    return inspection
