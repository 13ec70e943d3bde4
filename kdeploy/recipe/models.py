"""What a recipe may say: frozen, strict pydantic models; unknown keys are errors.

Validation looks at values only: no files, no packages, no environment. Those are looked at by `kdeploy.recipe.check`.
A field's `advice` is the last sentence of the message when its value is refused; its `must` says a pattern in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=1e-6, le=1e6)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Width = Annotated[int, Field(ge=1, le=10_000_000)]
Precision = Literal["auto", "bf16", "fp32"]
TrainingPrecision = Literal["auto", "bf16", "fp16", "fp32"]


class Section(BaseModel):
    """One mapping of a recipe."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Split(Section):
    """How many samples each part gets; a source has its own defaults for what is left out."""

    labelled: int | None = Field(default=None, ge=1)
    unlabelled: int | None = Field(default=None, ge=0)
    held_out: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)


def _as_text(found: object) -> object:
    # a class may be called 3: names and numbers are told apart when the names are known
    return str(found) if type(found) is int else found


ClassName = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]


class Transfer(Section):
    """The transfer set by class, by true labels; the teacher is trained on the whole labelled part all the same."""

    only: tuple[ClassName, ...] | None = Field(
        default=None, min_length=1, strict=False, description="class names, or class numbers"
    )
    without: tuple[ClassName, ...] | None = Field(
        default=None, min_length=1, strict=False, description="class names, or class numbers"
    )

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if self.only is not None and self.without is not None:
            raise ValueError("must not have both only and without. Keep one of them.")
        return self

    def chosen(self) -> dict[str, list[str]]:
        """The key that is set, with its classes in an order of their own: what fingerprints hold."""
        given = {"only": self.only, "without": self.without}
        return {key: sorted(set(names)) for key, names in given.items() if names}


# which sources read a key that says how samples are decoded
_SOURCES_OF_KEY = {
    "size": ("images", "parquet", "hub"),
    "seconds": ("audio", "parquet", "hub"),
    "sample_rate": ("audio", "parquet", "hub"),
}


class Origin(Section):
    """Where samples come from: exactly one of `source`, `parquet`, `numpy`, `images`, `audio`, `hub`."""

    source: Literal["mnist-5k"] | None = Field(default=None, description="a built-in set that a dependency ships")
    parquet: str | None = Field(
        default=None, min_length=1, description="a folder in the Hugging Face convention for images or sounds"
    )
    numpy: str | None = Field(default=None, min_length=1, description="an .npz file")
    images: str | None = Field(
        default=None, min_length=1, description="a folder of CLASS/FILE, or of train/CLASS/FILE and test/CLASS/FILE"
    )
    audio: str | None = Field(default=None, min_length=1, description="a folder of .wav or .flac files, like images")
    hub: str | None = Field(
        default=None,
        pattern=r"^\w[\w.-]*/\w[\w.-]*(/\w[\w.-]*)*(@[\w./-]+)?$",
        description="a data set on the Hugging Face hub, of which only parquet files are fetched and no code is run",
        json_schema_extra={"must": "must be org/name, org/name/folder or org/name@revision"},
    )
    size: tuple[Side, Side] | None = Field(
        default=None,
        description="[height, width] to which images of different sizes are resized",
        strict=False,
        json_schema_extra={"advice": "Give [height, width]."},
    )
    seconds: Positive | None = Field(default=None, description="length to which sounds are cut or filled up with zeros")
    sample_rate: int | None = Field(default=None, ge=1, description="samples a second; the first sound's, if left out")

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        keys = ("source", "parquet", "numpy", "images", "audio", "hub")
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            known, got = f"{', '.join(keys[:-1])} and {keys[-1]}", ", ".join(given) or "none"
            raise ValueError(f"must have exactly one of {known} (got {got}). Keep one of them.")
        for key, sources in _SOURCES_OF_KEY.items():
            if getattr(self, key) is not None and given[0] not in sources:
                raise ValueError(f"must not have {key} beside {given[0]}. Remove {key}.")
        return self

    @property
    def key(self) -> str:
        """Which of the sources it is."""
        return next(key for key in Origin.model_fields if getattr(self, key) is not None)

    @property
    def name(self) -> str:
        """What stands under that key: a name, a file or a folder."""
        return str(getattr(self, self.key))

    def decoding(self) -> dict[str, Any]:
        """The keys that are set of those that say how samples are decoded."""
        return {key: getattr(self, key) for key in _SOURCES_OF_KEY if getattr(self, key) is not None}


class Data(Origin):
    """Where the samples come from, and how they are divided; a part may come from a source of its own."""

    unlabelled: Origin | None = Field(default=None, description="another source of the unlabelled part")
    held_out: Origin | None = Field(default=None, description="another source of the held-out part")
    test: Origin | None = Field(default=None, description="another source of the test part")
    split: Split = Split()
    seed: Seed = 0
    transfer: Transfer = Transfer()
    duplicates: Literal["report", "drop", "error"] = Field(
        default="report", description="what becomes of training samples that are in the test part too"
    )

    def origins(self) -> dict[str, Origin]:
        """Every source: the main one under "", the others by their part."""
        own = {part: getattr(self, part) for part in ("unlabelled", "held_out", "test")}
        return {"": self} | {part: origin for part, origin in own.items() if origin is not None}


class Munge(Section):
    """Rows of a table between a sample and its nearest neighbour (Bucila et al. 2006); a loss on labels sees none."""

    probability: float = Field(default=0.2, ge=0, le=1, description="with which each attribute is changed")
    variance: Positive = Field(default=1.0, description="s: the larger, the nearer to the neighbour's value")
    nominal: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), strict=False, description="columns whose numbers are names"
    )


class InputViews(Section):
    """The augmentation of one input; an array can have `noise` and `munge`, the rest is for images."""

    shift: int = Field(default=0, ge=0, le=64, description="largest shift in pixels, in each direction; zero behind it")
    crop: int = Field(default=0, ge=0, le=64, description="as shift, with the mirrored image behind it")
    rotate: float = Field(default=0.0, ge=0, le=180, description="largest turn in degrees; zero behind the image")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="size: a factor within 1 - this and 1 + this")
    flip: bool = Field(default=False, description="mirror half of the images left to right")
    colour: float = Field(
        default=0.0, ge=0, le=1, description="brightness, contrast and saturation: factors within 1 - this and 1 + this"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of gaussian noise, as a part of the full range"
    )
    cutout: int = Field(default=0, ge=0, le=65_536, description="side in pixels of a square that is blanked")
    munge: Munge | None = Field(default=None, description="new rows of a table, of which there are no true labels")

    def settings(self) -> dict[str, Any]:
        """All that decides what a view looks like, for fingerprints; what is off is left out."""
        return _switched_on(self.model_dump(mode="json"))


class Views(InputViews):
    """Augmented views of the transfer set; the flat form is shorthand for a sample set with one input."""

    count: int = Field(default=1, ge=1, le=10_000, description="how many views each sample has")
    seed: Seed = 0
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="alpha of the mixture with another sample, the same in all inputs; not in a training on labels",
    )
    inputs: dict[str, InputViews] = Field(default_factory=dict, description="per input; `inputs:` may be left out")

    @model_validator(mode="before")
    @classmethod
    def gather_inputs(cls, found: object) -> object:
        """`views: {count: 32, image: {shift: 2}}`: a mapping under another key belongs to the input of that name."""
        if not isinstance(found, dict):
            return found
        # runs made before there was more than `shift` keep a recipe that says `shift: null`
        rest = {key: value for key, value in found.items() if (key, value) != ("shift", None)}
        if "inputs" in rest:
            return rest
        inputs = {key: value for key, value in rest.items() if isinstance(value, dict) and key not in cls.model_fields}
        return {key: value for key, value in rest.items() if key not in inputs} | {"inputs": inputs}

    def of(self, name: str) -> InputViews:
        """The settings of one input."""
        return self.inputs.get(name) or InputViews(**{key: getattr(self, key) for key in InputViews.model_fields})

    def settings(self) -> dict[str, Any]:
        """All that decides what a view looks like, for fingerprints.

        What came after `shift` is left out while it is off, so that older results stay valid.
        """
        shared = _switched_on(self.model_dump(mode="json", exclude={"inputs"})) | {"shift": self.shift or None}
        inputs = {name: _switched_on(one.model_dump(mode="json")) for name, one in self.inputs.items()}
        return shared | {"inputs": inputs}


def _switched_on(dump: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dump.items() if value or key in ("count", "seed", "shift")}


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


class TeacherTraining(Regime):
    """How a teacher of ours is trained on the labelled part."""

    steps: int | None = Field(default=None, ge=1, le=10_000_000, description="600 when epochs is left out as well")
    epochs: int | None = Field(default=None, ge=1, le=1_000_000, description="instead of steps")
    views: InputViews | None = Field(default=None, description="of the labelled part; the recipe's when left out")
    batch: int = Field(default=64, ge=1, le=65_536)
    lr: Positive = Field(default=2e-3, description="the largest learning rate of the one-cycle schedule")
    weight_decay: float = Field(default=1e-2, ge=0)
    seed: Seed = 0
    precision: TrainingPrecision = Field(default="auto", description="fp16 needs CUDA")

    @model_validator(mode="after")
    def one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(f"must have steps or epochs (got {self.steps} and {self.epochs}). Keep one of them.")
        return self

    @model_validator(mode="after")
    def rows_have_labels(self) -> Self:
        if self.views and self.views.munge:
            raise ValueError("must not have munge among its views. The rows that it makes have no true label.")
        return self


class Dropout(Section):
    """The share of units that a training step leaves out."""

    input: float = Field(default=0.0, ge=0, lt=1)
    hidden: float = Field(default=0.0, ge=0, lt=1)


class TeacherPreprocess(Section):
    """What a teacher made elsewhere expects; left out, pixels arrive as pixels / 255, or as a name's publisher says."""

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
    "features": ("onnx",),
}


class Teacher(Section):
    """One teacher: exactly one of `model`, `onnx`, `torch`, `run`, `timm`, `torchvision`, `huggingface`."""

    model: Literal["deep-cnn", "mlp"] | None = Field(
        default=None, description="a teacher of ours, trained on the labelled part"
    )
    hidden: tuple[Width, ...] | None = Field(
        default=None, min_length=1, strict=False, description="widths of an mlp; [1200, 1200] when left out"
    )
    dropout: Dropout | None = Field(default=None, description="of an mlp")
    max_norm: Positive | None = Field(
        default=None, description="of an mlp: limit of the norm of a hidden unit's incoming weights"
    )
    train: TeacherTraining | None = None
    count: int = Field(default=1, ge=1, le=100, description="of `model`: how many, trained from seed, seed + 1, ...")
    onnx: str | None = Field(default=None, min_length=1, description="a classifier with one input, logits out")
    preprocess: TeacherPreprocess | None = None
    torch: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        description="pkg.mod:build; runs code",
        json_schema_extra={"must": "must be package.module:function"},
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
        default=None, min_length=1, description="of `onnx`, for labels.kind features: what a node inside gives"
    )

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        given = [key for key in _ORIGINS if getattr(self, key) is not None]
        if len(given) != 1:
            known, got = f"{', '.join(_ORIGINS[:-1])} and {_ORIGINS[-1]}", ", ".join(given) or "none"
            raise ValueError(f"must have exactly one of {known} (got {got}). Keep one of them.")
        for key, owners in _ORIGINS_OF_KEY.items():
            if getattr(self, key) is not None and given[0] not in owners:
                raise ValueError(f"must not have {key} beside {given[0]}. Remove {key}.")
        for key in ("hidden", "dropout", "max_norm"):
            if getattr(self, key) is not None and self.model != "mlp":
                raise ValueError(f"must not have {key} beside {self.model or given[0]}. It belongs to model: mlp.")
        if given[0] in NAMED and bool(self.pretrained) == (self.weights is not None):
            both = "both" if self.pretrained else "none"
            raise ValueError(
                f"must have exactly one of weights and pretrained: true beside {given[0]} (got {both}). "
                "Without either it knows nothing."
            )
        if self.count > 1 and self.model is None:
            raise ValueError(f"must not have count beside {given[0]}. Only a model of ours can be trained again.")
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
    def called(self) -> str:
        """The value of its origin."""
        return next(str(value) for key in _ORIGINS if (value := getattr(self, key)) is not None)

    @property
    def training(self) -> TeacherTraining:
        return self.train or TeacherTraining()

    @property
    def net(self) -> dict[str, Any]:
        """The arguments of a teacher of ours, besides those that the data give."""
        if self.model != "mlp":
            return {}
        dropout = self.dropout or Dropout()
        return {
            "hidden": self.hidden or (1200, 1200),
            "input_dropout": dropout.input,
            "hidden_dropout": dropout.hidden,
            "max_norm": self.max_norm,
        }

    def expanded(self) -> list[Teacher]:
        """The teachers that `count` stands for, each from a seed of its own."""
        if self.count == 1:
            return [self]
        seeds = range(self.training.seed, self.training.seed + self.count)
        return [
            self.model_copy(update={"count": 1, "train": self.training.model_copy(update={"seed": seed})})
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
        default="logits", description="features: the logits, and what the teacher's last linear layer reads"
    )
    top: int | None = Field(default=None, ge=1, le=65_536, description="of topk: how many logits are kept of a row")
    dtype: Literal["float16", "float32"] = Field(default="float16", description="float32 for logits above 16,376")
    precision: Precision = Field(default="auto", description="in which a teacher of ours computes them")

    @model_validator(mode="after")
    def top_of_topk(self) -> Self:
        if self.kind == "topk" and self.top is None:
            raise ValueError("must have top beside kind topk. Set top to the number of logits to keep.")
        if self.kind != "topk" and self.top is not None:
            raise ValueError(f"must not have top beside kind {self.kind}. Remove top: it belongs to topk.")
        return self


class Convolution(Section):
    """A convolution with ReLU and max pooling; zero padding keeps height and width."""

    channels: int = Field(ge=1, le=65_536)
    kernel: int = Field(default=5, ge=1, le=63)
    pool: int = Field(default=1, ge=1, le=64, description="max pooling; 1 leaves it out")

    @model_validator(mode="after")
    def odd_kernel(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"must have an odd kernel (got {self.kernel}). Even kernels cannot keep height and width.")
        return self


def _one_or_many(found: object) -> object:
    return [found] if isinstance(found, dict) else found


class Student(Section):
    """Ba and Caruana's family: optional convolutions, a linear bottleneck, wide hidden layers, logits."""

    conv: Annotated[tuple[Convolution, ...], BeforeValidator(_one_or_many)] = Field(
        default=(), strict=False, description="one convolution, or a list of them"
    )
    bottleneck: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        json_schema_extra={"advice": "Leave it out for a student without a bottleneck."},
    )
    hidden: tuple[Width, ...] = Field(default=(512,), min_length=1, strict=False)


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
    "temperature": _SOFTENED,
    "temperature_end": _SOFTENED,
    "temperature_path": _SOFTENED,
    "dynamic_temperature": _SOFTENED,
    "alpha": ("decoupled",),
    "beta": ("decoupled",),
    "inter": ("correlation",),
    "intra": ("correlation",),
}
_LOSS_DEFAULTS = {
    "temperature": 4.0,
    "temperature_path": "linear",
    "dynamic_temperature": 0.0,
    "alpha": 1.0,
    "beta": 8.0,
    "inter": 1.0,
    "intra": 1.0,
}
# what came after the first results, and the values with which these are still valid
_LATER = {
    "dynamic_temperature": 0.0,
    "inter": None,
    "intra": None,
    "warm_up": 0,
    "weighting": "none",
    "mixture": "mean",
    "hint_weight": 0.0,
    "relational": None,
    "selection": None,
    "match_prior": False,
    "curve": False,
    "weight_decay": 0.0,
}


class Distill(Regime):
    """How the student learns from the labels of the teacher."""

    loss: Literal["logit-mse", "probability-mse", "soft-targets", "decoupled", "correlation"] = "logit-mse"
    temperature: Positive | None = Field(
        default=None, description="of soft-targets, decoupled and correlation; 4 when left out"
    )
    temperature_end: Positive | None = Field(default=None, description="of the last epoch, when it is to change")
    temperature_path: Literal["linear", "cosine"] | None = Field(
        default=None, description="from temperature to temperature_end; linear when left out"
    )
    dynamic_temperature: float | None = Field(
        default=None, ge=0, description="weight of the loss at temperatures of each sample's own; 0 when left out"
    )
    hard_weight: float | None = Field(
        default=None, ge=0, le=1, description="weight of the labels where there are some; 0 when left out"
    )
    alpha: float | None = Field(
        default=None, ge=0, description="of decoupled: weight of the target class; 1 when left out"
    )
    beta: float | None = Field(default=None, ge=0, description="of decoupled: weight of the others; 8 when left out")
    inter: float | None = Field(
        default=None, ge=0, description="of correlation: weight of the relations between classes; 1 when left out"
    )
    intra: float | None = Field(
        default=None, ge=0, description="of correlation: weight of the relations within a class; 1 when left out"
    )
    warm_up: int = Field(default=0, ge=0, description="epochs in which the weight of the teacher rises to its whole")
    standardise: bool = Field(
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
    relational: Relational | None = Field(
        default=None, description="also learn how the teacher's outputs of a batch lie to each other"
    )
    selection: Selection | None = Field(default=None, description="learn from a part of each batch")
    noise: TeacherNoise | None = None
    epochs: int = Field(default=32, ge=1, le=1_000_000)
    batch: int = Field(default=64, ge=1, le=65_536)
    lr: Positive = Field(default=1e-3, description="the largest learning rate of the one-cycle schedule")
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
    precision: TrainingPrecision = Field(default="auto", description="fp16 needs CUDA")
    weight_decay: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def keys_of_the_loss(self) -> Self:
        wrong = [
            key for key in _LOSSES_OF_KEY if getattr(self, key) is not None and self.loss not in _LOSSES_OF_KEY[key]
        ]
        if wrong:
            advice = " ".join(f"Remove {key}: it belongs to {_listed(_LOSSES_OF_KEY[key])}." for key in wrong)
            raise ValueError(f"must not have {', '.join(wrong)} beside loss {self.loss}. {advice}")
        if self.temperature_path is not None and self.temperature_end is None:
            raise ValueError("must not have temperature_path without temperature_end. Set temperature_end.")
        for one, other in (("alpha", "beta"), ("inter", "intra")):
            if getattr(self, one) == getattr(self, other) == 0:
                advice = "With neither, nothing is learned."
                raise ValueError(f"must have {one} or {other} above 0 (got 0 for both). {advice}")
        if self.warm_up > self.epochs:
            raise ValueError(
                f"must have a warm_up within its epochs (got {self.warm_up} of {self.epochs}). Lower warm_up."
            )
        return self

    def loss_keys(self) -> dict[str, Any]:
        """The keys that belong to the chosen loss alone, with defaults for what is left out."""
        given = {key: getattr(self, key) for key, losses in _LOSSES_OF_KEY.items() if self.loss in losses}
        return {key: _LOSS_DEFAULTS.get(key) if value is None else value for key, value in given.items()}

    def settings(self) -> dict[str, Any]:
        """All that decides what a student becomes, for fingerprints.

        What came after the first results is left out while it is neutral, so that they stay valid.
        """
        found = self.model_dump(exclude={"device", "tracker"} | self.usual()) | self.loss_keys()
        # at first only soft-targets had it, with 0 for its default
        found["hard_weight"] = self.hard_weight or (0.0 if self.loss == "soft-targets" else None)
        return {key: value for key, value in found.items() if key not in _LATER or value not in (None, _LATER[key])}


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


class Export(Section):
    """Which form of the bottleneck ships, and in which formats."""

    bottleneck: Literal["auto", "fuse", "factored"] = "auto"
    target: str = Field(
        default="onnxruntime",
        pattern=NAME,
        description="the runtime on which `auto` times the two forms",
        json_schema_extra={"must": "must be the name of a runtime"},
    )
    formats: tuple[str, ...] = Field(default=("onnx",), min_length=1, strict=False)


class Bench(Section):
    """What is timed: student against teacher."""

    runtimes: tuple[str, ...] = Field(default=("onnxruntime",), min_length=1, strict=False)
    threads: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(1,), min_length=1, strict=False)
    batch: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(default=(1,), min_length=1, strict=False)
    replicates: int = Field(
        default=12, ge=2, le=48, description="process pairs at the first look; below 12 is only indicative"
    )
    max_seconds: Positive = Field(default=60.0, description="time limit of one comparison")


class Gate(Section):
    """What must be met, or the run ends with exit code 5."""

    max_drop: float | None = Field(
        default=None, ge=0, le=100, description="percentage points below the teacher, students' mean"
    )
    min_speedup: Positive | None = Field(default=None, description="lower bound of the speed-up on every runtime timed")


class Recipe(Section):
    """One experiment, from the data to the bundle."""

    name: str = Field(
        pattern=NAME,
        description="what the run is called, and its file under runs/",
        json_schema_extra={
            "must": "must be 1 to 100 letters, digits, dots, dashes and underscores, the first a letter or a digit"
        },
    )
    data: Data
    teacher: tuple[Teacher, ...] = Field(
        min_length=1,
        max_length=100,
        strict=False,
        description="one teacher, or several that teach together",
        json_schema_extra={"advice": "Give a list of teachers; one is enough."},
    )
    ensemble: Ensemble | None = Field(default=None, description="how several teachers become one")
    views: Views = Views()
    labels: Labels = Labels()
    student: Student = Student()
    distill: Distill = Distill()
    export: Export = Export()
    bench: Bench = Bench()
    gate: Gate = Gate()
    variants: dict[Annotated[str, Field(pattern=NAME)], dict[str, Any]] = Field(
        default_factory=dict,
        description="experiments of `kdeploy sweep`: by name, the keys that replace those above",
        json_schema_extra={"must": "must be named with letters, digits, dots, dashes and underscores"},
    )

    @model_validator(mode="after")
    def teaches_another(self) -> Self:
        for number, teacher in enumerate(self.teacher):
            if teacher.run == self.name:
                raise ValueError(
                    f"must have another name than its teacher[{number}].run (got {self.name} for both). Rename the "
                    "recipe: its own run would replace its teacher."
                )
        return self

    @property
    def members(self) -> list[Teacher]:
        """Every teacher, with `count` counted out."""
        return [member for teacher in self.teacher for member in teacher.expanded()]

    @model_validator(mode="after")
    def ensemble_fits(self) -> Self:
        count, asked = len(self.members), self.ensemble
        if asked is not None and count == 1:
            raise ValueError("must not have ensemble with one teacher. Remove ensemble, or give more teachers.")
        if asked is not None and asked.weights is not None and len(asked.weights) != count:
            raise ValueError(
                f"must have one of ensemble.weights for each of its {count} teachers (got {len(asked.weights)}). "
                "A teacher with a count has as many."
            )
        return self

    @model_validator(mode="after")
    def a_mixture_is_of_several(self) -> Self:
        if self.distill.mixture == "mean":
            return self
        if len(self.members) == 1:
            raise ValueError(
                "must not have distill.mixture certainty with one teacher. Remove mixture, or give more teachers."
            )
        if self.ensemble is not None:
            raise ValueError(
                "must not have ensemble beside distill.mixture certainty. Each says how the teachers become one: "
                "remove one of them."
            )
        return self

    @model_validator(mode="after")
    def features_are_named(self) -> Self:
        for number, teacher in enumerate(self.teacher):
            wanted = self.labels.kind == "features" and teacher.onnx is not None
            if wanted and teacher.features is None:
                raise ValueError(
                    f"must have features in teacher[{number}] for labels.kind features. Name what a node of the ONNX "
                    "file gives, or set labels.kind to logits."
                )
            if teacher.features is not None and not wanted:
                raise ValueError(
                    f"must not have features in teacher[{number}] beside labels.kind {self.labels.kind}. "
                    "Remove features, or set labels.kind to features."
                )
        return self

    @model_validator(mode="after")
    def features_are_stored(self) -> Self:
        relational = self.distill.relational
        asked = {
            "distill.hint_weight": self.distill.hint_weight > 0,
            "distill.relational.of features": relational is not None and relational.of == "features",
        }
        for key in (key for key, given in asked.items() if given and self.labels.kind != "features"):
            raise ValueError(
                f"must have labels.kind features for {key} (got {self.labels.kind}). "
                "The teacher's features must be stored."
            )
        return self

    @model_validator(mode="after")
    def mixtures_have_no_labels(self) -> Self:
        munged = self.views.munge or any(one.munge for one in self.views.inputs.values())
        if munged and self.distill.hard_weight:
            raise ValueError(
                f"must not have distill.hard_weight above 0 beside views.munge (got {self.distill.hard_weight}). "
                "A row between two samples has no label: remove one of them."
            )
        if self.views.mixup and self.distill.hard_weight:
            raise ValueError(
                f"must not have distill.hard_weight above 0 beside views.mixup (got {self.distill.hard_weight} and "
                f"{self.views.mixup}). A mixture of two samples has no label: remove one of them."
            )
        return self
