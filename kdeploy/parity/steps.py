"""What a comparison says before each of its steps, for whoever bounds them or tells at which one a runtime ended."""

from __future__ import annotations

from collections.abc import Callable

LOAD, INPUTS = "loading", "its inputs"  # besides a batch

At = Callable[[str], None]


def batch(size: int) -> str:
    """The step of one batch."""
    return f"batch {size}"


def unheard(_step: str) -> None:
    """Nobody listens."""
