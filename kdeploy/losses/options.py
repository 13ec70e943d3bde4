"""Options of the losses; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Path = Literal["linear", "cosine"]


class Noise(NamedTuple):
    """Noise on the teacher's logits (`kdeploy.losses.noisy_teacher`)."""

    sigma: float  # standard deviation of xi
    share: float  # of the samples of an epoch that are disturbed


class Relations(NamedTuple):
    """Weights of the relations between a batch's samples, and of which outputs."""

    distance: float
    angle: float
    of: Literal["logits", "features"] = "logits"


class Selection(NamedTuple):
    """Which samples of a batch are learned from: the share of which the student is least sure."""

    uncertainty: float


@dataclass(frozen=True)
class LossOptions:
    """What may be chosen about a loss; the values are neutral, a recipe has defaults of its own.

    Args:
        loss: its name; a function of the user's as `package.module:function`.
        temperature_end: of the last epoch; None for one temperature throughout.
        dynamic_temperature: weight of the loss at each sample's own temperatures.
        warm_up: epochs in which the weight of the teacher rises to its whole.
        selection: None learns from every sample of a batch.
    """

    loss: str = "logit-mse"
    temperature: float = 1.0
    temperature_end: float | None = None
    temperature_path: Path = "linear"
    dynamic_temperature: float = 0.0
    hard_weight: float = 0.0
    standardize: bool = False
    alpha: float = 1.0
    beta: float = 1.0
    inter: float = 1.0
    intra: float = 1.0
    warm_up: int = 0
    noise: Noise | None = None
    weighting: Literal["none", "entropy"] = "none"
    mixture: Literal["mean", "certainty"] = "mean"
    hint_weight: float = 0.0
    relational: Relations | None = None
    selection: Selection | None = None

    @property
    def reads_features(self) -> bool:
        """Whether the teacher's features are needed, and the student's."""
        return self.hint_weight > 0 or (self.relational is not None and self.relational.of == "features")
