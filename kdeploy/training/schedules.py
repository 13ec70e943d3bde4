"""Schedules of the learning rate: how fast the weights move, step by step.

    rate(s) = R (s + 1) / w                     in the first w steps, w the warm-up's part of them
    rate(s) = R shape((s - w) / (S - w))        after them

    one-cycle, cosine    shape(p) = (1 + cos(pi p)) / 2        SGDR without restarts (Loshchilov and Hutter 2017)
    linear               shape(p) = 1 - p
    constant             shape(p) = 1

one-cycle is the cosine with a warm-up of 15 % where none is named (after Smith and Topin 2018); the others have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kdeploy.training.options import USUAL, TrainingOptions

ONE_CYCLE_WARM_UP = 0.15


@dataclass(frozen=True)
class Schedule:
    """The number of steps of a training, and the learning rate of each.

    Args:
        steps: of the whole training.
        seed: of what the module draws itself, such as dropout.
    """

    steps: int
    options: TrainingOptions = USUAL
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 the first."""
        warm = self._warm_steps
        if step < warm:
            return self.options.lr * (step + 1) / warm
        return self.options.lr * self._shape((step - warm) / max(1, self.steps - warm))

    @property
    def _warm_steps(self) -> int:
        part = self.options.lr_warm_up
        if part is None:
            return max(1, math.ceil(ONE_CYCLE_WARM_UP * self.steps)) if self.options.schedule == "one-cycle" else 0
        return math.ceil(part * self.steps)

    def _shape(self, done: float) -> float:
        match self.options.schedule:
            case "one-cycle" | "cosine":
                return (1 + math.cos(math.pi * done)) / 2
            case "linear":
                return 1 - done
            case "constant":
                return 1.0
