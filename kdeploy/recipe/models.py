"""What a recipe may say: frozen, strict pydantic models; unknown keys are errors.

Validation looks at values only: no files, no packages, no environment. Those are looked at by `kdeploy.recipe.check`.
A field's `advice` is the last sentence of the message when its value is refused; its `must` says a pattern in words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kdeploy.outputs.terms import OutputsName
from kdeploy.recipe.data import Data
from kdeploy.recipe.distill import Distill
from kdeploy.recipe.formats import grammatical
from kdeploy.recipe.kinds import must_suit, with_defaults
from kdeploy.recipe.section import NAME, Positive, Section
from kdeploy.recipe.student import Student
from kdeploy.recipe.teacher import Ensemble, Labels, Teacher
from kdeploy.recipe.views import Views


class Rank(Section):
    """The bottleneck reduced in rank by SVD: at a rank, or at the lowest whose error is small enough."""

    rank: int | None = Field(default=None, ge=1, le=1_000_000)
    tolerance: float | None = Field(
        default=None, gt=0, lt=1, description="largest logit error on held-out inputs / largest absolute logit"
    )

    @model_validator(mode="after")
    def one_of_two(self) -> Self:
        if (self.rank is None) == (self.tolerance is None):
            raise ValueError("must have one of rank and tolerance. For example: {rank: 32}, or {tolerance: 1e-3}.")
        return self


_FORMS = ("auto", "fuse", "factored")


def _form_or_rank(value: object) -> object:
    """The name of a form, or a rank; a union would report every problem once for each of its members."""
    if isinstance(value, dict | Rank):
        return Rank.model_validate(value)
    if value not in _FORMS:
        raise ValueError(
            f"must be {', '.join(_FORMS)}, or a mapping with rank or tolerance (got {value!r}). "
            "For example: auto, or {rank: 32}."
        )
    return value


Bottleneck = Literal["auto", "fuse", "factored"] | Rank


class Export(Section):
    """Which form of the bottleneck ships, and in which formats."""

    bottleneck: Annotated[Bottleneck, BeforeValidator(_form_or_rank)] = "auto"
    target: str = Field(
        default="onnxruntime",
        pattern=NAME,
        description="the runtime on which `auto` times the two forms",
        json_schema_extra={"must": "must be the name of a runtime"},
    )
    formats: tuple[Annotated[str, AfterValidator(grammatical)], ...] = Field(
        default=("onnx",), min_length=1, strict=False, description="NAME or NAME:PRECISION, as openvino:fp16; or all"
    )
    preprocess: Literal["spec", "graph"] = Field(
        default="spec", description="graph also writes student.raw.onnx, which takes uint8 images, or raw arrays"
    )
    layout: Literal["nchw", "nhwc"] = Field(default="nchw", description="of the images that student.raw.onnx takes")
    max_int8_drop: float = Field(
        default=1.0, ge=0, le=100, description="percentage points that int8 may cost the student; above, fp32 is kept"
    )

    @model_validator(mode="after")
    def layout_of_a_graph(self) -> Self:
        if self.layout != "nchw" and self.preprocess == "spec":
            raise ValueError(f"must have preprocess graph for layout {self.layout} (got spec). Set preprocess: graph.")
        return self


class Bench(Section):
    """What is timed: student against teacher."""

    runtimes: tuple[str, ...] = Field(default=("onnxruntime",), min_length=1, strict=False)
    threads: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(1,), min_length=1, strict=False)
    batch: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(default=(1,), min_length=1, strict=False)
    throughput: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(
        default=(16, 64), strict=False, description="batches of a brief look, on one thread and on all; [] for none"
    )
    replicates: int = Field(
        default=12, ge=2, le=48, description="process pairs at the first look; below 12 is only indicative"
    )
    max_seconds: Positive = Field(default=150.0, description="time limit of one comparison")
    cold_start: bool = Field(default=False, description="time the first answers of fresh processes")
    sustained: float = Field(default=0.0, ge=0, le=86_400, description="seconds without a pause, of each model")
    energy: bool = Field(default=False, description="read the energy of the processor, where the system shows it")
    wait: float = Field(default=0.0, ge=0, le=86_400, description="seconds, at most, for the machine to be quiet")


class Gate(Section):
    """What must be met, or the run ends with exit code 5."""

    max_drop: float | None = Field(
        default=None, ge=0, le=100, description="percentage points below the teacher, students' mean"
    )
    min_agreement: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="percent of the test inputs on which the student says what its teacher says",
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
    outputs: OutputsName = Field(default="classes", description="what a model says: one class, labels or values")
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

    @model_validator(mode="before")
    @classmethod
    def of_its_outputs(cls, raw: object) -> object:
        return with_defaults(raw)

    @model_validator(mode="after")
    def suits_its_outputs(self) -> Self:
        must_suit(self)
        return self

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

    @property
    def combination(self) -> dict[str, Any]:
        """How the teachers become one: the mean, and weights that sum to 1. The arguments of models.ensemble.Rule."""
        asked = self.ensemble or Ensemble()
        weights = asked.weights or (1.0,) * len(self.members)
        return {"mean": asked.mean, "weights": tuple(weight / sum(weights) for weight in weights)}

    @model_validator(mode="after")
    def ensemble_fits(self) -> Self:
        count, ensemble = len(self.members), self.ensemble
        if ensemble is not None and count == 1:
            raise ValueError("must not have ensemble with one teacher. Remove ensemble, or give more teachers.")
        if ensemble is not None and ensemble.weights is not None and len(ensemble.weights) != count:
            raise ValueError(
                f"must have one of ensemble.weights for each of its {count} teachers (got {len(ensemble.weights)}). "
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
            stored = self.labels.kind == "features"
            if stored and teacher.onnx is not None and teacher.features is None:
                raise ValueError(
                    f"must have features in teacher[{number}] for labels.kind features. Name what a node of the ONNX "
                    "file gives, or set labels.kind to logits."
                )
            if teacher.features is not None and not stored:
                raise ValueError(
                    f"must not have features in teacher[{number}] beside labels.kind {self.labels.kind}. "
                    "Remove features, or set labels.kind to features."
                )
        return self

    @model_validator(mode="after")
    def features_are_stored(self) -> Self:
        relational = self.distill.relational
        uses = {
            "distill.hint_weight": self.distill.hint_weight > 0,
            "distill.relational.of features": relational is not None and relational.of == "features",
        }
        for key in (key for key, given in uses.items() if given and self.labels.kind != "features"):
            raise ValueError(
                f"must have labels.kind features for {key} (got {self.labels.kind}). "
                "The teacher's features must be stored."
            )
        return self

    @model_validator(mode="after")
    def a_hidden_layer_has_a_hint(self) -> Self:
        layer, layers = self.distill.hint_layer, len(self.student.hidden)
        if layer is None:
            return self
        shallow = self.student.family == "shallow"
        if shallow != isinstance(layer, int):
            must = "a number" if shallow else f"the name of a layer beside student.{self.student.family}"
            raise ValueError(
                f"must have {must} as distill.hint_layer (got {layer!r}). A shallow student counts its own."
            )
        if isinstance(layer, int) and layer > layers:
            raise ValueError(
                f"must have distill.hint_layer within the hidden layers of the student (got {layer} of {layers}). "
                "They are counted from the input."
            )
        return self

    @model_validator(mode="after")
    def a_rank_has_a_chain(self) -> Self:
        if isinstance(self.export.bottleneck, Rank) and self.student.called is not None:
            raise ValueError(
                f"must not have a rank as export.bottleneck beside student.{self.student.family}. "
                "Set student.bottleneck to a layer with a rank."
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
