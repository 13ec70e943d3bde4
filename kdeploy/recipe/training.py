"""The training keys that students and built-in teachers share."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from kdeploy.recipe.section import Positive, Section, TrainingPrecision

LEARNING_RATE = AliasChoices("lr", "learning_rate")  # both are in use


class Training(Section):
    """What may be chosen about any training besides its length: its fields are those of training.TrainingOptions."""

    batch: int = Field(default=64, ge=1, le=65_536)
    lr: Positive = Field(default=1e-3, validation_alias=LEARNING_RATE, description="the largest learning rate")
    weight_decay: float = Field(default=0.0, ge=0)
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
        description="decay of a moving average of the weights, which becomes the network; 0 for none",
    )
    compile: bool = Field(default=False, description="run the network through torch.compile while it is trained")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="of the CPU, which decide the last bits; OMP_NUM_THREADS or one a core when left out",
    )
    precision: TrainingPrecision = Field(default="auto", description="fp16 needs CUDA")
