"""How the student learns from the labels of the teacher."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from kdeploy.recipe.section import FUNCTION, Positive, Section, listed
from kdeploy.recipe.training import Training


class TeacherNoise(Section):
    """Noise on the teacher's logits, z (1 + xi); the defaults are the best of Sau and Balasubramanian 2016."""

    sigma: Positive = Field(default=0.9, description="standard deviation of xi")
    share: float = Field(default=0.5, ge=0, le=1, description="of the samples of an epoch, the others stay as they are")


class Selection(Section):
    """Which samples of a batch are learned from."""

    uncertainty: float = Field(gt=0, le=1, description="the share of which the student is least sure")


class Relational(Section):
    """Distances and angles between the samples of a batch, beside any loss; the weights of Park et al. 2019."""

    distance: float = Field(default=25.0, ge=0)
    angle: float = Field(default=50.0, ge=0)
    of: Literal["logits", "features"] = Field(default="logits", description="features need labels.kind features")

    @model_validator(mode="after")
    def one_weight(self) -> Self:
        if self.distance == self.angle == 0:
            raise ValueError("must have distance or angle above 0 (got 0 for both). Leave relational out for neither.")
        return self


# which losses read a key; a key that is not here belongs to every loss
_SOFTENED = ("soft-targets", "decoupled", "correlation")
_LOSSES_OF_KEY = {
    "temperature": (*_SOFTENED, "binary"),
    "temperature_end": _SOFTENED,
    "temperature_path": _SOFTENED,
    "dynamic_temperature": _SOFTENED,
    "alpha": ("decoupled",),
    "beta": ("decoupled",),
    "inter": ("correlation",),
    "intra": ("correlation",),
}


def _number_or_name(value: object) -> object:
    """A hidden layer's number or a layer's name; a union would report every problem once for each of its members."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value is None or whole or (isinstance(value, str) and value):
        return value
    raise ValueError(f"must be a number from 1, or the name of a layer (got {value!r}). Leave it out for the last one.")


_LOSSES = ("logit-mse", "probability-mse", "soft-targets", "decoupled", "correlation", "squared", "huber", "binary")
_LOSS_SCHEMA = {"anyOf": [{"enum": [*_LOSSES]}, {"type": "string", "pattern": FUNCTION}]}


def _name_or_function(value: object) -> object:
    if value in _LOSSES or (isinstance(value, str) and re.match(FUNCTION, value)):
        return value
    raise ValueError(
        f"must be {', '.join(_LOSSES)}, or package.module:function (got {value!r}). "
        "README says which are for which outputs."
    )


class Distill(Training):
    """How the student learns from the labels of the teacher."""

    NO_EFFECT: ClassVar[frozenset[str]] = frozenset({"device", "tracker"})

    loss: Annotated[str, BeforeValidator(_name_or_function), WithJsonSchema(_LOSS_SCHEMA)] = Field(
        default="logit-mse",
        description="of outputs labels also binary; of values squared or huber; or pkg.mod:function, which runs code",
    )
    temperature: Positive = Field(default=4.0, description="of soft-targets, decoupled, correlation and binary")
    temperature_end: Positive | None = Field(default=None, description="of the last epoch, when it is to change")
    temperature_path: Literal["linear", "cosine"] = Field(
        default="linear", description="from temperature to temperature_end"
    )
    dynamic_temperature: float = Field(
        default=0.0, ge=0, description="weight of the loss at temperatures of each sample's own"
    )
    hard_weight: float = Field(default=0.0, ge=0, le=1, description="weight of the labels where there are some")
    alpha: float = Field(default=1.0, ge=0, description="of decoupled: weight of the target class")
    beta: float = Field(default=8.0, ge=0, description="of decoupled: weight of the others")
    inter: float = Field(default=1.0, ge=0, description="of correlation: weight of the relations between classes")
    intra: float = Field(default=1.0, ge=0, description="of correlation: weight of the relations within a class")
    warm_up: int = Field(default=0, ge=0, description="epochs in which the weight of the teacher rises to its whole")
    standardize: bool = Field(
        default=False, description="logits: per sample; for logit-mse by each class's spread over the transfer set"
    )
    weighting: Literal["none", "entropy"] = Field(
        default="none", description="entropy: a sample counts as much as the student is unsure of it"
    )
    mixture: Literal["mean", "certainty"] = Field(
        default="mean", description="of several teachers; certainty: on each sample the surer ones count more"
    )
    hint_weight: float = Field(
        default=0.0, ge=0, description="also learn the teacher's features, which need labels.kind features"
    )
    hint_layer: Annotated[int | str | None, BeforeValidator(_number_or_name)] = Field(
        default=None,
        description="which layer learns them: of a shallow student a hidden layer's number, from 1, of others a "
        "layer's name; what the last linear layer reads when left out",
    )
    relational: Relational | None = Field(
        default=None, description="also learn how the teacher's outputs of a batch lie to each other"
    )
    selection: Selection | None = Field(default=None, description="learn from a part of each batch")
    noise: TeacherNoise | None = None
    epochs: int = Field(default=32, ge=1, le=1_000_000)
    seeds: int = Field(default=3, ge=1, le=100, description="how many students, and as many baselines")
    baseline: bool = Field(default=True, description="also train each student on the labels alone")
    match_prior: bool = Field(
        default=False, description="then shift the biases until the held-out inputs have the teacher's class prior"
    )
    curve: bool = Field(default=False, description="also record the test accuracy after each epoch; it decides nothing")
    tracker: Literal["none", "tensorboard"] = Field(
        default="none", description="tensorboard shows the loss of each step; changes no result"
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        json_schema_extra={"must": "must be auto, cpu, mps, cuda or cuda:N"},
    )

    @model_validator(mode="after")
    def keys_of_the_loss(self) -> Self:
        wrong = [key for key, losses in _LOSSES_OF_KEY.items() if self.given(key) and self.loss not in losses]
        if wrong:
            advice = " ".join(f"Remove {key}: it belongs to {listed(_LOSSES_OF_KEY[key])}." for key in wrong)
            raise ValueError(f"must not have {', '.join(wrong)} beside loss {self.loss}. {advice}")
        if self.given("temperature_path") and self.temperature_end is None:
            raise ValueError("must not have temperature_path without temperature_end. Set temperature_end.")
        for one, other in (("alpha", "beta"), ("inter", "intra")):
            if getattr(self, one) == getattr(self, other) == 0:
                advice = "With neither, nothing is learned."
                raise ValueError(f"must have {one} or {other} above 0 (got 0 for both). {advice}")
        if self.hint_layer is not None and not self.hint_weight:
            raise ValueError("must not have hint_layer without hint_weight. Set hint_weight, or remove hint_layer.")
        if self.warm_up > self.epochs:
            raise ValueError(
                f"must have a warm_up within its epochs (got {self.warm_up} of {self.epochs}). Lower warm_up."
            )
        return self
