"""Which sample belongs to which part: labelled, unlabelled, held out, test; stratified, and fixed by a seed.

Rows are ordered so that any run of them holds every class in proportion: each class is shuffled, its i-th row of n gets
the position (i + 1/2) / n, and rows are sorted by position (ties by the shuffle). The parts are consecutive slices of
that order: test, held out, labelled, unlabelled. So the test part does not depend on how much is labelled, and a
larger labelled part contains the smaller one.

Where rows belong to groups, such as the frames of one speaker, the order shuffles the groups and keeps their rows
together, and what a group gives to the test or the held-out part keeps the rest of it out of every other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.samples.mixing import shuffle_keys

Rows = NDArray[np.int64]

PARTS = ("labeled", "unlabeled", "held_out", "test")


@dataclass(frozen=True)
class Counts:
    """How many samples each part takes; None is the default.

    The defaults: test 20 % (the source's own test rows where it has some), held out 2 % (or its own) and labelled 10 %
    of what is left (all of it where the source itself has samples without a label), unlabelled the rest. Where nothing
    is labelled test and held out are drawn from all rows, and none is labelled.
    """

    labeled: int | None = None
    unlabeled: int | None = None
    held_out: int | None = None
    test: int | None = None

    @classmethod
    def of(cls, counts: Mapping[str, int], *, where: str) -> Self:
        """The counts of a mapping such as a recipe's `split`.

        Raises: DataError on an unknown part or a negative count.
        """
        for part, count in counts.items():
            if part not in PARTS:
                raise DataError(f"{where}: split", f"must name only the parts {', '.join(PARTS)}", got=part)
            if count < 0:
                raise DataError(f"{where}: split.{part}", "must be at least 0", got=str(count))
        return cls(**counts)

    def over(self, defaults: Counts) -> Counts:
        """These counts, and `defaults` where one is None."""
        return Counts(**{part: _first(getattr(self, part), getattr(defaults, part)) for part in PARTS})


def divide(
    labels: NDArray[np.int64],
    counts: Counts,
    *,
    seed: int,
    where: str,
    first_test: int | None = None,
    groups: NDArray[np.int64] | None = None,
    first_held_out: int | None = None,
) -> dict[str, Rows]:
    """The sorted rows of each part, int64, by its name; rows that no part takes are in none.

    Args:
        labels: int64 (N,); -1 for a row without a label, which only the unlabelled part can take, unless all are.
        first_test: rows from this one on are the source's own test rows; None when it has none.
        groups: int64 (N,), the group of each row; None when every row stands for itself.
        first_held_out: rows from this one up to `first_test` are the source's own held-out rows; None when it has none.
    Raises: DataError when the counts ask for more rows than there are.
    """
    rows = np.arange(len(labels), dtype=np.int64)
    end = first_test if first_held_out is None else first_held_out
    if not any_label(labels):
        counts = _without_labels(counts, where)
    drawn = can_be_drawn(labels, end)
    known, nameless = rows[:end][drawn], rows[:end][~drawn]
    order = order_of(labels, known, seed, groups)
    if first_test is None:
        test, order = _take(order, counts.test, len(order) // 5, "test", where)
    else:
        own = order_of(labels, rows[first_test:], seed, groups)
        test, _ = _take(own, counts.test, len(own), "test", where)
    order = _apart(order, test, groups)
    available = len(order)
    if first_held_out is None:
        held_out, order = _take(order, counts.held_out, available // 50, "held_out", where)
    else:
        own = order_of(labels, rows[first_held_out:first_test], seed, groups)
        held_out, _ = _take(own, counts.held_out, len(own), "held_out", where)
    order = _apart(order, held_out, groups)
    nameless = _apart(nameless, np.concatenate([test, held_out]), groups)
    labeled, order = _take(order, counts.labeled, len(order) if len(nameless) else available // 10, "labeled", where)
    hidden = np.concatenate([nameless[np.argsort(shuffle_keys(seed, nameless))], order])
    unlabeled, _ = _take(hidden, counts.unlabeled, len(hidden), "unlabeled", where)
    parts = {"labeled": labeled, "unlabeled": unlabeled, "held_out": held_out, "test": test}
    return {name: np.sort(part) for name, part in parts.items()}


def any_label(labels: NDArray[np.int64]) -> bool:
    """Is any of the labels, int64 (N,), known?"""
    return bool((labels >= 0).any())


def can_be_drawn(labels: NDArray[np.int64], end: int | None) -> NDArray[np.bool_]:
    """Which rows up to `end` any part is drawn from, bool: the labelled ones, or all where nothing is labelled."""
    known: NDArray[np.bool_] = labels[:end] >= 0
    return known if any_label(labels) else ~known


def _without_labels(counts: Counts, where: str) -> Counts:
    """The counts of a source in which nothing is labelled."""
    if counts.labeled:
        advice = "Leave it out, or give the labels."
        raise DataError(
            f"{where}: split.labeled",
            "must be left out where nothing is labelled",
            got=str(counts.labeled),
            advice=advice,
        )
    return replace(counts, labeled=0)


def order_of(labels: NDArray[np.int64], rows: Rows, seed: int, groups: NDArray[np.int64] | None) -> Rows:
    """The rows, int64 (n,), in the order of which the parts are slices: stratified, or group by group.

    Args:
        labels, groups: int64 (N,), of all rows.
    """
    if groups is None:
        return stratified_order(labels, rows, seed)
    # the hash gives no two groups one key
    return rows[np.lexsort((rows, shuffle_keys(seed, groups[rows])))]


def stratified_order(labels: NDArray[np.int64], rows: Rows, seed: int) -> Rows:
    """The rows, int64 (n,), in an order of which every slice holds each class in proportion.

    To within one row at each end. `labels` are those of all rows, int64 (N,).
    """
    keys = shuffle_keys(seed, rows)
    by_class = np.lexsort((keys, labels[rows]))
    _, starts, sizes = np.unique(labels[rows][by_class], return_index=True, return_counts=True)
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)  # (n,), within the class
    position = (rank + 0.5) / np.repeat(sizes, sizes)
    return rows[by_class[np.lexsort((keys[by_class], position))]]


def compact(parts: Mapping[str, Rows]) -> tuple[Rows, dict[str, Rows]]:
    """The rows that some part takes, sorted int64 (n,), and the parts as indices into those."""
    rows = np.sort(np.concatenate(list(parts.values())))
    return rows, {name: np.searchsorted(rows, part).astype(np.int64) for name, part in parts.items()}


def hide(labels: NDArray[Any], parts: Mapping[str, Rows], kind: Kind = CLASSES) -> NDArray[Any]:
    """The labels, a row a sample, unknown over the unlabelled part, so that nothing after this can leak them."""
    hidden = labels.copy()
    hidden[parts["unlabeled"]] = kind.unknown
    return hidden


def _take(order: Rows, asked: int | None, default: int, part: str, where: str) -> tuple[Rows, Rows]:
    count = _first(asked, default) or 0
    if count > len(order):
        must = f"must leave at least {count} samples for this part"
        raise DataError(f"{where}: split.{part}", must, got=str(len(order)), advice="Ask for fewer samples.")
    return order[:count], order[count:]


def _apart(rows: Rows, taken: Rows, groups: NDArray[np.int64] | None) -> Rows:
    """The rows of groups of which nothing is taken."""
    return rows if groups is None else rows[~np.isin(groups[rows], groups[taken])]


def _first(value: int | None, default: int | None) -> int | None:
    return default if value is None else value
