"""The 61 phones of TIMIT, the 39 that they are folded into for scoring, and segments as labels of frames.

The folding is Lee and Hon's (1989, "Speaker-independent phone recognition using hidden Markov models"): closures and
pauses are silence, near variants are one phone, and the glottal stop q is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.samples.speech.corpus import STATES, Targets
from kdeploy.samples.speech.front_end import LENGTH, SHIFT

# fmt: off
PHONES = (
    "iy", "ih", "eh", "ey", "ae", "aa", "aw", "ay", "ah", "ao", "oy", "ow", "uh", "uw", "ux", "er", "ax", "ix", "axr",
    "ax-h", "jh", "ch", "b", "d", "g", "p", "t", "k", "dx", "s", "sh", "z", "zh", "f", "th", "v", "dh", "m", "n", "ng",
    "em", "nx", "en", "eng", "l", "r", "w", "y", "hh", "hv", "el", "bcl", "dcl", "gcl", "pcl", "tcl", "kcl", "q", "pau",
    "epi", "h#",
)
# fmt: on
_INTO = {
    "aa": "ao",
    "ah": "ax ax-h",
    "er": "axr",
    "hh": "hv",
    "ih": "ix",
    "l": "el",
    "m": "em",
    "n": "en nx",
    "ng": "eng",
    "sh": "zh",
    "sil": "bcl dcl gcl pcl tcl kcl pau epi h#",
    "uw": "ux",
}
_FOLDED = {phone: name for name, phones in _INTO.items() for phone in phones.split()}
FOLDED = tuple(dict.fromkeys(_FOLDED.get(phone, phone) for phone in PHONES if phone != "q"))


class Segment(NamedTuple):
    """A phone, by its number in some list, from sample `start` to before sample `stop`."""

    start: int
    stop: int
    phone: int


def folded(phone: str) -> str | None:
    """The phone of the 39 that one of the 61 is scored as; None for q."""
    return None if phone == "q" else _FOLDED.get(phone, phone)


def class_names(phones: Sequence[str], targets: Targets) -> tuple[str, ...]:
    """The names of the classes: `aa 0`, `aa 1`, `aa 2`, ... for states; else the phones, or the 39 of them."""
    if targets == "states":
        return tuple(f"{phone} {state}" for phone in phones for state in range(STATES))
    return FOLDED if targets == "folded" else tuple(phones)


def labels(segments: Sequence[Segment], count: int, targets: Targets) -> NDArray[np.int64]:
    """The class of each frame, int64 (count,), by the segment that holds the middle of its window; -1 where none does.

    Nobody has aligned the states of hand-made segments: they are the thirds of a segment's time.
    """
    starts, stops, phones = (np.array(column, np.int64) for column in zip(*segments, strict=True))
    middle = np.arange(count, dtype=np.int64) * SHIFT + LENGTH // 2  # (count,), in samples
    at = np.searchsorted(stops, middle, side="right").clip(max=len(stops) - 1)
    inside = (starts[at] <= middle) & (middle < stops[at])
    classes = phones[at]
    if targets == "states":
        classes = STATES * classes + STATES * (middle - starts[at]) // (stops[at] - starts[at])
    elif targets == "folded":
        classes = _table()[classes]
    return np.where(inside, classes, -1)


def _table() -> NDArray[np.int64]:
    """The number of the phone that each of the 61 is folded into, int64 (61,); -1 for q."""
    names = [folded(phone) for phone in PHONES]
    return np.array([-1 if name is None else FOLDED.index(name) for name in names], np.int64)
