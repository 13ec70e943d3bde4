"""The check before a byte is read: is this a regular file, of a size that is read? Nothing is opened, for a FIFO would
block."""

from __future__ import annotations

from pathlib import Path

from kdeploy.errors import ModelError, ResourceError
from kdeploy.formatting.file_kinds import not_a_file
from kdeploy.graphs.inspector.record import InspectionLimits


def check_file(path: Path, limits: InspectionLimits) -> None:
    """Check that a path is a regular file, with something in it and not too large.

    Raises: ModelError for what is not a file with something in it; ResourceError for one that is too large.
    """
    what = not_a_file(path)
    if what:
        raise _not_a_model(path, what)
    status = path.stat()
    if status.st_size == 0:
        raise _not_a_model(path, "an empty file")
    if status.st_size > limits.file_bytes:
        raise ResourceError(
            str(path),
            f"must be a file of at most {limits.file_bytes} bytes",
            got=f"{status.st_size} bytes",
            advice="Save its weights in a side file: onnx.save(model, path, save_as_external_data=True).",
        )


def _not_a_model(path: Path, got: str) -> ModelError:
    return ModelError(str(path).replace("\0", "\\0"), "must be an ONNX file", got=got)
