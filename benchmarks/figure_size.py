"""Student accuracy against the accuracy of the teacher, a line for each size: a figure of Ba and Caruana (2014).

For sweeps of several sizes of students under several teachers. RESULTS.md links figures/<recipe>.svg, which is drawn
from the records alone, and has Spearman's rank correlation of each line: of the students of one size with their
teachers, and of the students of one teacher with their numbers of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean

import numpy as np
import sections
from figure_epochs import saved
from matplotlib.figure import Figure

from kdeploy.records.sweep import SweepRow

LEAST = 3  # sizes and teachers; two points are always in some order


def lines(name: str, rows: Sequence[SweepRow]) -> list[str]:
    """The link to the figure, which is drawn, and the correlations; nothing for a sweep of other things."""
    sizes, teachers = grouped(rows, _size), grouped(rows, _teacher)
    if min(len(sizes), len(teachers)) < LEAST or len(rows) != len(sizes) * len(teachers):
        return []
    correlations = [
        *((f"{size:,.0f} parameters, by teacher", rank_correlation(line, _teacher)) for size, line in sizes),
        *((f"teacher of {teacher:.2%}, by size", rank_correlation(line, _size)) for teacher, line in teachers),
    ]
    cells = [
        (title, f"{value:.2f}") for title, value in [*correlations, ("mean", fmean(value for _, value in correlations))]
    ]
    return [
        *saved(name, f"Students of {len(sizes)} sizes against their teachers", lambda: drawn(sizes)),
        *sections.table(("students", "Spearman's rank correlation"), cells),
    ]


def grouped(rows: Sequence[SweepRow], key: Callable[[SweepRow], float]) -> list[tuple[float, list[SweepRow]]]:
    """Rows with one value of the key, the smallest first; inside, in the order of both keys."""
    ordered = sorted(rows, key=lambda row: (key(row), _teacher(row), _size(row)))
    return [(value, list(group)) for value, group in groupby(ordered, key)]


def rank_correlation(rows: Sequence[SweepRow], key: Callable[[SweepRow], float]) -> float:
    """Spearman's rank correlation of a key with the accuracy of the students."""
    return float(np.corrcoef(_ranks([key(row) for row in rows]), _ranks([_accuracy(row) for row in rows]))[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """The ranks of values, (values,), from 1; equal values share the mean of their ranks."""
    found = np.array(values)
    less, not_more = (compare(found[None], found[:, None]).sum(1) for compare in (np.less, np.less_equal))
    return (less + not_more + 1) / 2


def drawn(sizes: Sequence[tuple[float, Sequence[SweepRow]]]) -> Figure:
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for size, rows in reversed(sizes):
        x = [100 * _teacher(row) for row in rows]
        (line,) = axes.plot(x, [100 * _accuracy(row) for row in rows], label=f"{size / 1e6:.2g}M parameters")
        for at, row in zip(x, rows, strict=True):
            every = [100 * network.test_accuracy for network in row.students]
            axes.plot([at] * len(every), every, "o", color=line.get_color(), markersize=4)
    axes.set(xlabel="test accuracy of the teacher, %", ylabel="of the student, %: mean, and each seed")
    axes.legend(frameon=False)
    return figure


def _size(row: SweepRow) -> float:
    return row.parameters


def _teacher(row: SweepRow) -> float:
    return row.teacher_accuracy


def _accuracy(row: SweepRow) -> float:
    return fmean(network.test_accuracy for network in row.students)
