"""A lock among processes: a file that the kernel lets go of when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy.errors import BusyError


@contextmanager
def locked(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock; the file holds the pid of whoever has it.

    Args:
        waiting: is told who has it before this waits for that to end; None to wait for nobody.
    Raises: BusyError when another process has it, and this does not wait.
    """
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            stream.seek(0)
            pid = stream.read(32).strip()
            holder = f"pid {pid}" if pid else "another process"
            if waiting is None:
                got, advice = f"in use by {holder}", "Wait for it to end, or stop it."
                raise BusyError(str(path.with_suffix("")), "must not be in use", got=got, advice=advice) from exc
            waiting(holder)
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)  # the next holder must not be taken for this one before it has written its pid
