"""Teachers: which, how trained or taken in, how several become one, and how their answers are stored."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from kdeploy.recipe.data import ClassOrder
from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.section import (
    FUNCTION,
    FUNCTION_WORDS,
    NAME,
    Positive,
    Precision,
    Section,
    Seed,
    Side,
    Weight,
    Width,
    the_only,
)
from kdeploy.recipe.training import LEARNING_RATE, Training
from kdeploy.recipe.views import InputViews


class TeacherTraining(Training):
    """How a built-in teacher is trained on the labelled part."""

    steps: int = Field(default=600, ge=1, le=10_000_000)
    epochs: int | None = Field(default=None, ge=1, le=1_000_000, description="instead of steps")
    views: InputViews | None = Field(default=None, description="of the labelled part; the recipe's when left out")
    lr: Positive = Field(default=2e-3, validation_alias=LEARNING_RATE, description="the largest learning rate")
    weight_decay: float = Field(default=1e-2, ge=0)
    seed: Seed = 0

    @model_validator(mode="after")
    def one_length(self) -> Self:
        if self.given("steps") and self.epochs is not None:
            raise ValueError(f"must have steps or epochs (got {self.steps} and {self.epochs}). Keep one of them.")
        return self

    @model_validator(mode="after")
    def rows_have_labels(self) -> Self:
        if self.views and self.views.munge:
            raise ValueError("must not have munge among its views. The rows that it makes have no true label.")
        return self


class TeacherPreprocess(Section):
    """What an external teacher expects; left out, pixels arrive as pixels / 255, or as a name's publisher says."""

    scale: Positive | None = None
    size: tuple[Side, Side] | None = Field(
        default=None,
        description="[height, width] to resize to",
        strict=False,
        json_schema_extra={"advice": "Give [height, width]."},
    )
    mean: tuple[float, ...] | None = Field(default=None, description="per channel, after the scale", strict=False)
    std: tuple[Positive, ...] | None = Field(default=None, description="per channel, after the scale", strict=False)


NAMED = ("timm", "torchvision", "huggingface")
_ORIGINS = ("model", "onnx", "torch", "run", *NAMED)
# which teachers read a key
_ORIGINS_OF_KEY = {
    "train": ("model",),
    "weights": ("torch", *NAMED),
    "pretrained": NAMED,
    "preprocess": ("onnx", "torch", *NAMED),
    "classes": ("onnx",),
}


class Teacher(Section):
    """One teacher: exactly one of `model`, `onnx`, `torch`, `run`, `timm`, `torchvision`, `huggingface`."""

    # files count by their content, and what several are or how they are labelled is said elsewhere
    NO_EFFECT: ClassVar[frozenset[str]] = frozenset({"onnx", "run", "weights", "count", "features", "train", "classes"})

    model: Literal["deep-cnn", "whitened-cnn", "mlp"] | None = Field(
        default=None, description="a built-in teacher, trained on the labelled part"
    )
    hidden: tuple[Width, ...] = Field(default=(1200, 1200), min_length=1, strict=False, description="widths of an mlp")
    dropout: Dropout = Field(default=Dropout(), description="of an mlp")
    max_norm: Positive | None = Field(
        default=None, description="of an mlp: limit of the norm of a hidden unit's incoming weights"
    )
    train: TeacherTraining = TeacherTraining()
    count: int = Field(default=1, ge=1, le=100, description="of `model`: how many, trained from seed, seed + 1, ...")
    onnx: str | None = Field(default=None, min_length=1, description="a classifier with one input, logits out")
    preprocess: TeacherPreprocess | None = None
    classes: str | ClassOrder | None = Field(
        default=None,
        description="of an ONNX file: the names of its logits, a list or a file of names; the data's are kept of them",
    )
    torch: str | None = Field(
        default=None,
        pattern=FUNCTION,
        description="pkg.mod:build; runs code",
        json_schema_extra={"must": FUNCTION_WORDS},
    )
    run: str | None = Field(
        default=None,
        pattern=NAME,
        description="the student of an earlier run, by the run's name",
        json_schema_extra={"must": "must be the name of a run"},
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="a safetensors file, or a .pt with tensors alone, for `torch` and for names",
    )
    timm: str | None = Field(default=None, min_length=1, description="a name of timm, resnet18.a1_in1k")
    torchvision: str | None = Field(default=None, min_length=1, description="a classifier of torchvision, resnet18")
    huggingface: str | None = Field(
        default=None, min_length=1, description="an image classifier on the hub, org/model, or in a folder"
    )
    pretrained: bool | None = Field(
        default=None, description="of a name: with its published weights and classes; needs the network or a cache"
    )
    features: str | None = Field(
        default=None,
        min_length=1,
        description="for labels.kind features: what a node inside an ONNX file gives, or the name of a layer of torch",
    )

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        origin = the_only(self, _ORIGINS, _ORIGINS_OF_KEY)
        for key in ("hidden", "dropout", "max_norm"):
            if self.given(key) and self.model != "mlp":
                raise ValueError(f"must not have {key} beside {self.model or origin}. It belongs to model: mlp.")
        if origin in NAMED and bool(self.pretrained) == (self.weights is not None):
            both = "both" if self.pretrained else "none"
            raise ValueError(
                f"must have exactly one of weights and pretrained: true beside {origin} (got {both}). "
                "Without either it knows nothing."
            )
        if self.count > 1 and self.model is None:
            raise ValueError(f"must not have count beside {origin}. Only a built-in model can be trained again.")
        return self

    @property
    def named(self) -> tuple[Literal["timm", "torchvision", "huggingface"], str] | None:
        """The package and the name in it, of a teacher by name."""
        if self.timm is not None:
            return "timm", self.timm
        if self.torchvision is not None:
            return "torchvision", self.torchvision
        return None if self.huggingface is None else ("huggingface", self.huggingface)

    @property
    def origin(self) -> Literal["onnx", "torch", "run", "timm", "torchvision", "huggingface"]:
        """The key of the teacher's origin, where that is not `model`."""
        origin = next(key for key in _ORIGINS if getattr(self, key) is not None)
        return cast('Literal["onnx", "torch", "run", "timm", "torchvision", "huggingface"]', origin)

    @property
    def called(self) -> str:
        """The value of the teacher's origin: a name, a file or a function."""
        return next(str(value) for key in _ORIGINS if (value := getattr(self, key)) is not None)

    @property
    def net(self) -> dict[str, Any]:
        """The arguments of a built-in teacher, besides those that the data give."""
        if self.model != "mlp":
            return {}
        return {"hidden": self.hidden, **self.dropout.arguments, "max_norm": self.max_norm}

    def expanded(self) -> list[Teacher]:
        """The teachers that `count` stands for, each from a seed of its own."""
        if self.count == 1:
            return [self]
        seeds = range(self.train.seed, self.train.seed + self.count)
        return [
            self.model_copy(update={"count": 1, "train": self.train.model_copy(update={"seed": seed})})
            for seed in seeds
        ]


class Ensemble(Section):
    """How several teachers become one."""

    mean: Literal["logits", "probabilities"] = Field(default="logits", description="what is averaged")
    weights: tuple[Weight, ...] | None = Field(
        default=None, strict=False, description="one a teacher, with `count` counted out; equal when left out"
    )


class Labels(Section):
    """How the teacher's outputs are stored."""

    kind: Literal["logits", "probabilities", "topk", "features"] = Field(
        default="logits",
        description="features: the logits, and what the teacher's last linear layer reads, or teacher.features give",
    )
    top: int | None = Field(default=None, ge=1, le=65_536, description="of topk: how many logits are kept of a row")
    components: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="of features: how many principal components of them are kept; all when left out",
    )
    dtype: Literal["float16", "float32"] = Field(default="float16", description="float32 for logits above 16,376")
    precision: Precision = Field(default="auto", description="in which a built-in teacher computes them")

    @model_validator(mode="after")
    def keys_of_the_kind(self) -> Self:
        if self.kind == "topk" and self.top is None:
            raise ValueError("must have top beside kind topk. Set top to the number of logits to keep.")
        if self.kind != "topk" and self.top is not None:
            raise ValueError(f"must not have top beside kind {self.kind}. Remove top: it belongs to topk.")
        if self.kind != "features" and self.components is not None:
            raise ValueError(
                f"must not have components beside kind {self.kind}. Remove components: it belongs to features."
            )
        return self
