"""A lock among processes: a file that the kernel lets go of when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy.errors import BusyError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the file holds the pid of whoever has it.

    Raises: BusyError when another process has it.
    """
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            stream.seek(0)
            holder = stream.read(32).strip()
            raise BusyError(
                str(path.with_suffix("")),
                "must not be in use",
                got=f"in use by pid {holder}" if holder else "in use by another process",
                advice="Wait for it to end, or stop it.",
            ) from exc
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)  # the next holder must not be taken for this one before it has written its pid
