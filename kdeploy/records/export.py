"""The record of an export: models, forms of the bottleneck, which one ships and why."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from kdeploy.outputs.terms import OutputsName
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.base import Part, Record, Unavailable
from kdeploy.records.parity import ParityRow
from kdeploy.records.precision import Cost
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.table import Row, Table

FormName = Literal["fused", "factored", "low-rank", "plain"]


class Model(Part):
    """One ONNX file.

    `torch_flops` is what torch counts of the module that it was made from, 2 for a multiply-add; null without a module.
    """

    file: str
    sha256: str
    bytes: int
    multiply_adds: int
    parameters: int
    opset: int
    ir_version: int
    uncounted: dict[str, int]
    torch_flops: int | None = None


class Fold(Part):
    """One transformation: done, refused, or with nothing to transform, with a reason.

    `applies`: False where there is nothing to transform; True in records before 2.1, which did not say.
    """

    model: str
    name: str
    done: bool
    reason: str
    applies: bool = True

    @property
    def result(self) -> str:
        """How it ended, in a word or three."""
        return "done" if self.done else "refused" if self.applies else "nothing to fold"


class LowRank(Part):
    """What a lower rank costs: its logits against those of the trained network, both in float64, on held-out inputs.

    `relative_error` = `max_abs_error` / the largest absolute logit; `spectral_error` = s_(r+1) / s_1 of the weights.
    """

    rank: int
    full_rank: int
    inputs: int
    max_abs_error: float
    mean_abs_error: float
    relative_error: float
    spectral_error: float
    agreement: float


class Form(Part):
    """The student in one form. `latency_ns` is the median on the target, batch 1.

    A network of a lower rank is not the trained one: its parity is with itself in float64, what it costs is
    `low_rank`.
    """

    form: FormName
    model: Model
    latency_ns: int | None
    parity: tuple[ParityRow, ...]
    low_rank: LowRank | None = None

    def row(self, shipped: str) -> Row:
        return {
            "form": self.form,
            "ships": self.form == shipped,
            "multiply_adds": self.model.multiply_adds,
            "parameters": self.model.parameters,
            "bytes": self.model.bytes,
            "latency_ns": self.latency_ns,
            "max_abs_error": max((row.max_abs_error for row in self.parity), default=None),
        }


class Processors(Part):
    """On which processors a format answers as it did here, but for the rounding of its precision.

    `names` are architectures as `uname -m` writes them, one that needs a flag of /proc/cpuinfo with that:
    `x86_64+avx512_bf16`. Null where it is not known. `reason` says why these, or why it is not known.
    """

    names: tuple[str, ...] | None
    reason: str


class Format(Part):
    """A model converted for a runtime, compared with the trained network on real inputs.

    `refused` is why there is none: then `file` is empty and `bytes` is 0. Only what was not asked for by name, but came
    with `all`, is refused instead of being an error, and int8 that lost too much; that keeps its `parity` and `cost`.
    The baseline is converted to int8 where the student is, for comparison.
    """

    model: Literal["student", "teacher", "baseline"]
    runtime: str
    file: str
    bytes: int
    precision: str = "fp32"
    parity: ParityRow | None = None
    refused: str | None = None
    cost: Cost | None = None  # of another precision than fp32, on the held-out inputs
    processors: Processors | None = None  # null where there is no file, and in records before 1.1

    @property
    def key(self) -> str:
        """The format as people write it: `openvino`, `onnxruntime:int8`."""
        return str(FormatRequest(self.runtime, self.precision))


class Bottleneck(Part):
    """Which form ships. `break_even` is the k above which fusing saves multiply-adds: D H / (D + H).

    `reason` is the same each time; `timed` is what was measured for the choice, empty where nothing was.
    """

    shipped: FormName
    reason: str
    timed: str = ""
    break_even: float | None
    width: int | None
    inputs: int | None
    outputs: int | None

    @property
    def why(self) -> str:
        """The whole reason, for people."""
        return f"{self.reason}: {self.timed}" if self.timed else self.reason


class RawForm(Part):
    """The student with its preprocessing in the graph: what a decoder gives in, logits out.

    `layout` is that of images, uint8: channels first or last. Other inputs are float32, as they are canonical.
    """

    file: str
    sha256: str
    bytes: int
    layout: Literal["nchw", "nhwc"]
    parity: tuple[ParityRow, ...]


class ExportRecord(Table, Record):
    """An export. Files beside it: `teacher.onnx`, `student.onnx`, `student.<form>.onnx`, `baseline.onnx`, `formats/`.

    And `student.raw.onnx`, where preprocessing in the graph was asked for.
    """

    SCHEMA: ClassVar[str] = "kdeploy.export/2.1"  # since 1.1 weights in int8 have 7 bits

    student: Model
    teacher: Model
    baseline: Model | None
    forms: tuple[Form, ...]
    folds: tuple[Fold, ...]
    formats: tuple[Format, ...]
    bottleneck: Bottleneck
    preprocessing: Preprocessing  # of the student
    teacher_preprocessing: Preprocessing
    class_names: tuple[str, ...]
    output: str
    raw: RawForm | None = None
    outputs: OutputsName = "classes"

    def files(self, folder: Path, model: str) -> dict[str, Path]:
        """The files of a model that were converted, by format as people write it; `folder` is the record's own."""
        formats = [one for one in self.formats if one.model == model and one.refused is None]
        return {one.key: folder / one.file for one in formats} | {"onnxruntime": folder / f"{model}.onnx"}

    def to_rows(self) -> list[Row]:
        """A row for each form of the student, its latency in ns on the target at batch 1; the formats are `formats`."""
        return [form.row(self.bottleneck.shipped) for form in self.forms]


class FusedPair(Part):
    """Two linear layers of a graph that can be one: the tensor that they give, D inputs, k, H outputs."""

    output: str
    inputs: int
    width: int
    outputs: int


class ModelExportRecord(Table, Record):
    """An external model, rewritten. Files beside it: `model.onnx`, which ships, and `model.<form>.onnx`.

    `forms` are proved against `source` in float64, on `inputs` seeded noise. `bottleneck` has the widths of the pair,
    where there is one alone.
    """

    SCHEMA: ClassVar[str] = "kdeploy.export-model/2.1"

    source: Model
    model: Model
    forms: tuple[Form, ...]
    folds: tuple[Fold, ...]
    pairs: tuple[FusedPair, ...]
    bottleneck: Bottleneck
    inputs: int
    unavailable: tuple[Unavailable, ...] = ()  # `FORM on RUNTIME`: where it was not compared, and why

    def to_rows(self) -> list[Row]:
        """A row for each form of the model, its latency in ns on the target at batch 1."""
        return [form.row(self.bottleneck.shipped) for form in self.forms]
