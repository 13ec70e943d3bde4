"""The inspection of a file in a child process of bounded memory and CPU time: whatever it does there, this
process goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdeploy.graphs.inspector.record import Inspection, InspectionLimits
from kdeploy.graphs.inspector.regular_file import check_file
from kdeploy.system.bounded import ask
from kdeploy.system.limits import COMPLAINTS_BYTES, PATIENCE, Limits

LEAN = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # each thread and arena reserves address space


def inspect(
    path: Path,
    limits: InspectionLimits | None = None,
    *,
    where: str | None = None,
    shape: Sequence[int] | None = None,
) -> Inspection:
    """Inspect an ONNX file that may be hostile. Nothing but the child reads it and its side files.

    Args:
        where: what messages call the file, its path by default: a private copy goes by the name of the original.
        shape: the lengths of a sample, where some are free.
    Raises: ModelError for what is no model, or none that runs here; IntegrityError for external data that leads out of
        the folder or is not all there; NonFiniteError for NaN or infinity among its numbers; ResourceError beyond a
        limit, also when the child was ended.
    """
    limits = limits or InspectionLimits()
    where = where or str(path)
    check_file(path, limits)
    answer = ask(
        "kdeploy.graphs.inspector",
        {"path": str(path), "where": where, "limits": limits.model_dump(), "shape": shape and [*shape]},
        Limits(PATIENCE * limits.cpu_seconds, limits.cpu_seconds, limits.memory_bytes, file_bytes=COMPLAINTS_BYTES),
        where=where,
        doing="inspected",
        environment=LEAN,
    )
    return Inspection.model_validate(answer)
