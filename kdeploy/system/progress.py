"""Progress of long work: how it reports what it does, and when it may be interrupted.

Work calls `stage` when it begins one and `task` for a bar, and puts a `shield` around what must not be cut in two: a
signal that comes inside raises `Interrupted` at its end. This default says nothing and is never interrupted;
`kdeploy.cli` has one with bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Silent progress."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar of `total` steps; the value is a function that takes the number of steps done."""
        yield lambda _done: None

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Put off a signal until the end of the block."""
        yield

    def stage(self, name: str) -> None:
        """Write that a stage begins; what comes belongs to it."""
        self.say(name)

    def say(self, text: str) -> None:
        """Write one line for the person who waits."""
