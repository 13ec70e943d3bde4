"""Private folders for what is made on the way: removed at the end, also that of another process which was killed.

    TMPDIR/kdeploy-XXXXXXXX/lock     held by the process that works here, and let go of by the kernel when it dies
    TMPDIR/kdeploy-XXXXXXXX/files/   the private folder

Whoever makes the first one in a process removes those of dead processes: of this user, an hour old, with a lock that
nobody holds. A folder of another kind stays, whatever its name. Here, below everything, since runtimes need
such folders too.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from kdeploy.errors import KdeployError
from kdeploy.runtimes.full_disk import lack_of_room

PREFIX = "kdeploy-"
LOCK, FILES = "lock", "files"
LOG = re.compile(r"kdeploy-error-\w{8}\.log")
HOUR, WEEK = 3600, 7 * 24 * 3600


@contextmanager
def scratch_folder(shown: str | None = None) -> Iterator[Path]:
    """A private folder, removed at the end with all that is in it.

    Args:
        shown: what an error about a file in it is about: the file that this was copied or made from.
    Raises: ResourceError where its disk is full, whatever was made of that.
    """
    _sweep_once()
    outer = Path(tempfile.mkdtemp(prefix=PREFIX))  # which only this user may enter
    try:
        with filling(folder := outer / FILES), (outer / LOCK).open("w") as lock:
            with suppress(OSError):  # a file system without locks keeps its folders
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.mkdir(mode=0o700)
            with standing_for(folder, shown):
                yield folder
    finally:
        for path in (outer / FILES, outer):  # the lock last, or what is left would not be known as ours
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Let a full disk below a private folder be told as that of the place for temporary files, also by a child that
    writes into the folder of its parent.

    Raises: ResourceError where the disk is full, whatever was made of that.
    """
    try:
        yield
    except Exception as exc:
        full = lack_of_room(exc, folder.parent.parent, folder.parent)
        if full is not None:
            raise full from exc
        raise


@contextmanager
def standing_for(folder: Path, shown: str | None) -> Iterator[None]:
    """Let an error about a file in a private folder be about what is shown, as nobody knows that folder."""
    try:
        yield
    except KdeployError as exc:
        if shown is not None:
            inside = re.compile(re.escape(str(folder)) + r"(/[\w.:-]*[\w-])*")
            exc.rephrase(lambda text: inside.sub(lambda _: shown, text))
        raise


def sweep(root: Path) -> None:
    """Remove the private folders that killed processes left in a folder, and the logs of errors a week old."""
    with suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _remove(Path(entry.path), entry.stat(follow_symlinks=False))


@cache
def _sweep_once() -> None:
    sweep(Path(tempfile.gettempdir()))


def _remove(path: Path, status: os.stat_result) -> None:
    """Remove a leftover if a process of kdeploy made it. Raises: OSError when it is in use."""
    age = time.time() - status.st_mtime
    if status.st_uid != os.geteuid() or age < HOUR:
        return
    if stat.S_ISREG(status.st_mode) and LOG.fullmatch(path.name) and age > WEEK:
        path.unlink()
    elif stat.S_ISDIR(status.st_mode) and {LOCK} <= {inside.name for inside in path.iterdir()} <= {LOCK, FILES}:
        with os.fdopen(os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISREG(os.fstat(lock.fileno()).st_mode):
                shutil.rmtree(path)
