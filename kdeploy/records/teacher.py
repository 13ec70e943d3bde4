"""The record of a teacher: what it is, what it reads, how good it is."""

from __future__ import annotations

from typing import ClassVar, Literal

from kdeploy.records.base import Part, Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.software import Software


class Training(Part):
    """What one training did."""

    steps: int
    final_loss: float
    duration_ns: int  # of this process only, when the training was resumed
    resume_exact: bool = True  # False: went on from a checkpoint of another torch, processor or number of threads


class TeacherRecord(Record):
    """Files beside it: `teacher.safetensors` (origin model), `teacher.onnx` (origin onnx), `test_logits.npy`."""

    SCHEMA: ClassVar[str] = "kdeploy.teacher/1"

    origin: Literal["model", "onnx", "torch"]
    name: str
    file: str
    sha256: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    parameters: int
    test_accuracy: float
    held_out_accuracy: float
    training: Training | None
    software: Software
