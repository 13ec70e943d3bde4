"""The record of an export: models, forms of the bottleneck, which one ships and why."""

from __future__ import annotations

from typing import ClassVar, Literal

from kdeploy.records.base import Part, Record
from kdeploy.records.parity import ParityRow
from kdeploy.records.preprocessing import Preprocessing


class Model(Part):
    """One ONNX file."""

    file: str
    sha256: str
    bytes: int
    multiply_adds: int
    parameters: int
    opset: int
    ir_version: int
    uncounted: dict[str, int]


class Fold(Part):
    """One transformation: done, or refused with a reason."""

    model: str
    name: str
    done: bool
    reason: str


class Form(Part):
    """The student with its bottleneck fused or factored. `latency_ns` is the median on the target, batch 1."""

    form: Literal["fused", "factored", "plain"]
    model: Model
    latency_ns: int | None
    parity: tuple[ParityRow, ...]


class Format(Part):
    """A model converted for a runtime, compared with the trained net on real inputs.

    `refused` is why there is none: then `file` is empty and `bytes` is 0. Only what was not asked for by name, but came
    with `all`, is refused instead of being an error; a precision that lost too much keeps its `parity`.
    """

    model: Literal["student", "teacher"]
    runtime: str
    file: str
    bytes: int
    precision: str = "fp32"
    parity: ParityRow | None = None
    refused: str | None = None

    @property
    def key(self) -> str:
        """As people write it: `openvino`, `onnxruntime:int8`."""
        return self.runtime if self.precision == "fp32" else f"{self.runtime}:{self.precision}"


class Bottleneck(Part):
    """Which form ships. `break_even` is the k above which fusing saves multiply-adds: D H / (D + H)."""

    shipped: Literal["fused", "factored", "plain"]
    reason: str
    break_even: float | None
    width: int | None
    inputs: int | None
    outputs: int | None


class ExportRecord(Record):
    """Files beside it: `teacher.onnx`, `student.onnx`, `student.<form>.onnx`, `baseline.onnx`, `formats/`."""

    SCHEMA: ClassVar[str] = "kdeploy.export/1"

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
