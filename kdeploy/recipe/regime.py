"""What may be chosen about any training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdeploy.recipe.section import Positive, Section


class Regime(Section):
    """What may be chosen about a training besides its length and its rate."""

    schedule: Literal["one-cycle", "cosine", "linear", "constant"] = Field(
        default="one-cycle", description="of the learning rate: one-cycle is the cosine with a warm-up of 15 %"
    )
    lr_warm_up: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="the part of the steps in which the rate rises; the schedule's own when left out",
    )
    optimizer: Literal["adamw", "sgd", "muon"] = Field(
        default="adamw",
        description="sgd: with Nesterov momentum 0.9; muon: of matrices but the logits', and adamw for the rest",
    )
    clip: Positive | None = Field(default=5.0, description="the longest gradient; null for no limit")
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="decay of a moving average of the weights, which becomes the net; 0 for none",
    )
    compile: bool = Field(default=False, description="run the net through torch.compile while it is trained")

    def usual(self) -> set[str]:
        """The keys whose values are the defaults: they stay out of fingerprints, which are older than these keys."""
        return {key for key in Regime.model_fields if getattr(self, key) == Regime.model_fields[key].default}
