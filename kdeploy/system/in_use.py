"""What running commands use, so that nobody removes it under them: a file of names for each command, locked while its
process lives. Who removes something waits until no command is about to say what it uses, and the other way round.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kdeploy.system.lock import locked

_DOOR, _PREFIX = "removing.lock", "command-"


@contextmanager
def using(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Say in a folder what this command uses, for as long as it does."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, path = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    try:
        with _door(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, json.dumps(sorted(names)).encode())
        yield
    finally:
        Path(path).unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def removing(folder: Path) -> Iterator[set[str]]:
    """The names of all that is in use; while this lasts, no command begins to use more."""
    folder.mkdir(parents=True, exist_ok=True)
    with _door(folder):
        yield {name for path in folder.glob(f"{_PREFIX}*") for name in _names(path)}


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    with locked(folder / _DOOR, waiting=lambda _holder: None):
        yield


def _names(path: Path) -> list[str]:
    """The names in a file; none, and the file is removed, where its command has ended."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return list(json.loads(stream.read() or b"[]"))
        path.unlink(missing_ok=True)
    return []
