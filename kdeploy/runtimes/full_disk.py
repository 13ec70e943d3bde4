"""A full disk as an error with advice, whatever a library makes of it.

    the errors it was raised from say so  ->  ResourceError
    the disk has next to no room          ->  ResourceError

Not by the type of an error: `np.save` raises an OSError without a number, OpenVINO a RuntimeError, and what was cut off
when it was written is refused later as no model. Here, below everything, since runtimes write files too.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kdeploy.errors import DataError, KdeployError, ModelError, ResourceError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # what a write says that has no room
_SAID = {os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT)}
_SCARCE = 1 << 16  # bytes


def lack_of_room(error: BaseException, place: Path, root: Path) -> ResourceError | None:
    """The error to show in place of one that came of a full disk; None for any other.

    Args:
        place: the file or folder that was written.
        root: the folder whose files are meant; an error about a file elsewhere is another.
    """
    judged = isinstance(error, KdeployError) and not isinstance(error, ModelError | DataError)
    if judged or is_outside(error, root):
        return None
    number, free = next(_numbers(error), None), free_bytes(place)
    if number is None and free >= _SCARCE:
        return None
    why = "" if number is None else f"{os.strerror(number)}, "
    return no_room(str(place), f"{why}{free} bytes free")


def no_room(where: str, got: str) -> ResourceError:
    """The error of a disk that is full, or of a limit on files."""
    advice = "Free some space, or raise the limit, and run the same command again; finished work is kept."
    return ResourceError(where, "must have room on its disk", got=got, advice=advice)


def is_outside(error: BaseException, root: Path) -> bool:
    """Whether an error is about files outside of a folder, as one that was only read."""
    named = [
        name for one in _chain(error) for name in (getattr(one, "filename", None), getattr(one, "filename2", None))
    ]
    paths = [Path(name).absolute() for name in named if isinstance(name, str | os.PathLike)]
    root = root.absolute()
    return bool(paths) and not any(path.is_relative_to(root) or root.is_relative_to(path) for path in paths)


def free_bytes(path: Path) -> int:
    """The bytes that are free on the disk of a path, which need not be there."""
    for there in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(there).free
    return _SCARCE  # nobody can say


def _numbers(error: BaseException) -> Iterator[int]:
    """The numbers of the full disk in an error and those it was raised from: their own, or what their text says."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in FULL:
            yield one.errno
        yield from (number for said, number in _SAID.items() if said in str(one))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
