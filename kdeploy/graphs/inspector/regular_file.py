"""The check before a byte is read: is this a regular file, of a size that is read? Nothing is opened, for a FIFO would
block."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs.inspector.record import InspectionLimits

KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def check_file(path: Path, limits: InspectionLimits) -> None:
    """Check that a path is a regular file, with something in it and not too large.

    Raises: ModelError for what is not a file with something in it; ResourceError for one that is too large.
    """
    status = _status(path)
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_model(path, KINDS.get(stat.S_IFMT(status.st_mode), "a device"))
    if status.st_size == 0:
        raise _not_a_model(path, "an empty file")
    if status.st_size > limits.file_bytes:
        raise ResourceError(
            str(path),
            f"must be a file of at most {limits.file_bytes} bytes",
            got=f"{status.st_size} bytes",
            advice="Save its weights in a side file: onnx.save(model, path, save_as_external_data=True).",
        )


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as exc:
        raise _not_a_model(path, "a broken link" if path.is_symlink() else "there is no such file") from exc
    except OSError as exc:
        raise _not_a_model(path, exc.strerror or str(exc)) from exc
    except ValueError as exc:
        raise _not_a_model(path, "a name with a NUL in it") from exc


def _not_a_model(path: Path, got: str) -> ModelError:
    return ModelError(str(path).replace("\0", "\\0"), "must be an ONNX file", got=got)
