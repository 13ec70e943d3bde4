"""The memory that this process and its children have resident, and the most of it in a while. Linux shows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_INTERVAL = 0.05  # s


class PeakMemory:
    """The most memory of this process and its children since it was asked last, while it is entered."""

    def __init__(self) -> None:
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def take(self) -> int:
        """Bytes; counted anew from now on."""
        most, self._most = max(self._most, resident_bytes()), 0
        return most

    def _watch(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._most = max(self._most, resident_bytes())


def resident_bytes() -> int:
    """Bytes that are resident in this process and its children together; 0 where nobody shows it."""
    return sum(_own(pid) for pid in _tree(os.getpid()))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    try:
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(word) for task in tasks for word in task.read_text(encoding="ascii").split()]
    except OSError:  # it ended, or this is no Linux
        return []


def _own(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
