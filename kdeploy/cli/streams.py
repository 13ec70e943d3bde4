"""stdout and stderr that outlive what they lead to: work goes on when its reader left or its disk is full.

a reader that left, a closed stream      what is printed goes nowhere
a disk that is full                      so it does, and the answer is lost: exit code 8, unless there is a worse one
a text that the encoding does not have   is printed as the numbers of its characters
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

from kdeploy.errors import ResourceError


class Lasting(io.TextIOWrapper):
    """The text stream of one file descriptor, which raises no OSError.

    Args:
        like: the stream in whose place it comes; None where there was none.
    """

    lost: OSError | None = None  # why something that was written is not there

    def __init__(self, descriptor: int, like: TextIO | None) -> None:
        super().__init__(
            io.BufferedWriter(io.FileIO(descriptor, "wb", closefd=False)),
            encoding=like.encoding if like else "utf-8",
            errors="backslashreplace",
            line_buffering=bool(like and like.line_buffering),
            write_through=getattr(like, "write_through", False),
        )
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as exc:
            self._lose(exc)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as exc:
            self._lose(exc)

    def _lose(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.lost = error
        # what waits in buffers goes there too, ours and those of libraries and child processes
        _to_nowhere(self._descriptor)


def lasting() -> None:
    """Make this process's stdin, stdout and stderr outlive what they lead to; to be called once, before all else."""
    for descriptor in range(3):
        # or the next file that is opened would get its number, and what libraries print would be written there
        if not _is_open(descriptor):
            _to_nowhere(descriptor)
    sys.stdin = sys.stdin or io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout, sys.stderr = Lasting(1, sys.stdout), Lasting(2, sys.stderr)


def silence() -> None:
    """Let stdout go nowhere."""
    sys.stdout.flush()
    _to_nowhere(1)


def lost_answer() -> ResourceError | None:
    """Why what was printed on stdout is not there; None where it is, and where nobody wanted it any more."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", None)
    if lost is None:
        return None
    advice = "Free some space, and run the same command again; finished work is kept."
    return ResourceError("stdout", "must take what is printed", got=lost.strerror or str(lost), advice=advice)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
