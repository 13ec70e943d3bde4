"""What is said where memory or threads ran out: libraries have errors and words of their own for it."""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"MemoryError|bad_alloc|bad allocation|DefaultCPUAllocator|(to|annot|can't) allocate|Memory allocation still failed"
    r"|failed to map segment|start new thread|Thread creation failed|pthread_create|Resource temporarily unavailable"
)


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of an accelerator, or threads did."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or says_shortage(str(error))


def says_shortage(text: str) -> bool:
    """Whether words of a library say so."""
    return _WORDS.search(text) is not None
