"""How fast the weights move, step by step.

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
from typing import Literal

Kind = Literal["one-cycle", "cosine", "linear", "constant"]
Optimizer = Literal["adamw", "sgd", "muon"]

ONE_CYCLE_WARM_UP = 0.15


@dataclass(frozen=True)
class Regime:
    """What may be chosen about a training besides its length and its rate; these values are what is usual here.

    Args:
        kind: of the schedule.
        warm_up: the part of the steps in which the rate rises; None for the kind's own.
        clip_norm: gradients longer than this are shortened to it; None for no limit.
        average: decay of the exponential moving average that becomes the weights at the end; 0 for none.
        compiled: run the module through torch.compile?
        optimizer: by name; `kdeploy.training.optimizers` says what each does.
        require_exact: refuse a checkpoint from which the same bits are not promised?
    """

    kind: Kind = "one-cycle"
    warm_up: float | None = None
    clip_norm: float | None = 5.0
    average: float = 0.0
    compiled: bool = False
    require_exact: bool = False
    optimizer: Optimizer = "adamw"


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    regime: Regime = Regime()
    seed: int = 0  # of what the module draws itself, such as dropout

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 the first."""
        warm = self._warm_steps
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * self._shape((step - warm) / max(1, self.steps - warm))

    @property
    def _warm_steps(self) -> int:
        part = self.regime.warm_up
        if part is None:
            return max(1, math.ceil(ONE_CYCLE_WARM_UP * self.steps)) if self.regime.kind == "one-cycle" else 0
        return math.ceil(part * self.steps)

    def _shape(self, done: float) -> float:
        match self.regime.kind:
            case "one-cycle" | "cosine":
                return (1 + math.cos(math.pi * done)) / 2
            case "linear":
                return 1 - done
            case "constant":
                return 1.0
