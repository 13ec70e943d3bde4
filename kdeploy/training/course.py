"""The course of a loss, in as many points as a plot shows: the mean over each of equal spans of a training's steps.

point i = mean of the losses of steps i steps / points to (i + 1) steps / points
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

POINTS = 64
DIGITS = 6  # more are noise, and would double the record


class Course:
    """The losses of a training so far.

    Args:
        steps: of the whole training.
        sums: those of each span, of a training that goes on.
    """

    def __init__(self, steps: int, sums: Sequence[float] = ()) -> None:
        self.steps, self.points = steps, min(POINTS, steps)
        self.sums = list(sums) or [0.0] * self.points

    def add(self, step: int, loss: float) -> None:
        """Note the loss of a step, from 0."""
        self.sums[step * self.points // self.steps] += loss

    def means(self) -> tuple[float, ...]:
        """The points of a training that is done."""
        edges = [-(-place * self.steps // self.points) for place in range(self.points + 1)]
        lengths = (end - start for start, end in itertools.pairwise(edges))
        means = (total / length for total, length in zip(self.sums, lengths, strict=True))
        return tuple(float(f"{mean:.{DIGITS}g}") for mean in means)
