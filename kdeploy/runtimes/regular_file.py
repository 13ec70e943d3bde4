"""Regular files alone, opened for reading: what else lies in the place of one is refused at once, and not opened. Here,
below everything, since records and artefacts are read by it."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path

from kdeploy.errors import InputError
from kdeploy.formatting.file_kinds import kind_of


def opened(path: Path) -> BufferedReader:
    """A regular file, open for reading.

    Raises: InputError for a folder, a FIFO, a socket or a device; OSError when there is nothing, or it cannot be read.
    """
    check(path)
    return path.open("rb")


def read(path: Path) -> bytes:
    """The bytes of a regular file. Raises: as `opened`."""
    with opened(path) as stream:
        return stream.read()


def check(path: Path) -> None:
    """Check a path that a library is about to open. Raises: as `opened`."""
    what = kind_of(path.stat().st_mode)
    if what:
        raise InputError(str(path), "must be a regular file", got=what)
