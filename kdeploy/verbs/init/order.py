"""The order of the classes that a teacher was trained with, where it guesses in that of the data.

the data's own     9, 10, 11        numbers in their order
as text            10, 11, 9        as torchvision's folders and sorted() have them
by numbers inside  c9, c10, c11     as people count
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kdeploy.evaluation.doubts import near_chance
from kdeploy.outputs.classes import CLASSES


class Other(NamedTuple):
    """Another order of classes, and which of several answers are right in it, on what share of the samples."""

    classes: tuple[str, ...]
    place: int
    accuracy: float


def other_order(names: tuple[str, ...], labels: np.ndarray, answers: Sequence[np.ndarray]) -> Other | None:
    """The order in which a teacher is right that guesses in the data's own; None where it does not, or there is none.

    Args:
        labels: int64 (rows,), places in `names`.
        answers: logits (rows, classes), with one preprocessing each.
    """
    chance = 1 / len(names)
    if not all(near_chance(CLASSES.quality(one, labels) or 0.0, chance) for one in answers):
        return None
    found = [
        Other(classes, place, CLASSES.quality(one, _places(names, classes)[labels]) or 0.0)
        for classes in _orders(names)
        for place, one in enumerate(answers)
    ]
    best = max(found, key=lambda one: one.accuracy, default=None)
    # half way from chance to all: a teacher that guesses is right on some more in one order than in another
    return None if best is None or best.accuracy < (1 + chance) / 2 else best


def _orders(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for order in (sorted(names), sorted(names, key=_counted)):
        if order != [*names]:
            yield tuple(order)


def _counted(name: str) -> list[tuple[int, str]]:
    """The words and numbers of a name, to be compared with those of others."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _places(names: tuple[str, ...], classes: tuple[str, ...]) -> np.ndarray:
    """The place in an order of each class of another, int64 (classes,)."""
    return np.array([classes.index(name) for name in names], np.int64)
