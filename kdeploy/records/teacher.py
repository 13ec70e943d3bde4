"""The record of a teacher: what it is, what it reads, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part, Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.software import ComputedOn


class TeacherSource(NamedTuple):
    """What a teacher comes with that its recipe only names.

    Args:
        file: an ONNX file, or the weights of a torch module.
        preprocessing: of the student of an earlier run.
        class_names: of that, or of the logits of an ONNX file as the recipe names them.
    """

    file: Path | None = None
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None


class Training(Part):
    """One training: its length, its time, and how it ended."""

    steps: int
    final_loss: float
    duration_ns: int  # of all its processes, when it was resumed; what was lost between them does not count
    resume_exact: bool = True  # False: went on from a checkpoint of another torch, processor or number of threads
    losses: tuple[float, ...] = ()  # means over equal spans of the steps; empty in a record from before 3.1


class Member(Part):
    """One teacher of an ensemble; its files stand with its own record."""

    origin: str
    name: str
    sha256: str
    parameters: int
    test_accuracy: float | None
    held_out_accuracy: float | None


class Combination(Part):
    """How the members of an ensemble become one; see kdeploy.models.ensemble."""

    mean: Literal["logits", "probabilities"]
    weights: tuple[float, ...]  # one a member; they sum to 1
    members: tuple[Member, ...]


class TeacherRecord(Record):
    """A teacher. Files beside it: `test_logits.npy`, `held_out_logits.npy`, and `file`.

    `file` is `teacher.onnx` (origin onnx) or `teacher.safetensors`; empty for an ensemble, whose members have files.
    """

    SCHEMA: ClassVar[str] = "kdeploy.teacher/3.1"
    APART: ClassVar[str] = "*.training.json"  # read while the stage was not done, and has times in it

    origin: Literal["model", "onnx", "torch", "run", "timm", "torchvision", "huggingface", "ensemble"]
    name: str
    file: str
    sha256: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...]  # of the data, or numbers where those name none
    parameters: int
    test_accuracy: float | None  # what the kind of outputs calls quality; null where nothing is labelled
    held_out_accuracy: float | None
    training: Training | None
    software: ComputedOn
    ensemble: Combination | None = None
    others: Mapping[str, float] = Field(default_factory=dict)  # further qualities on the test part, by name
    outputs: OutputsName = "classes"
    assumed: tuple[str, ...] = ()  # of what it answers, a line each
