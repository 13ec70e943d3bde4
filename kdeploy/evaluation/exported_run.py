"""A finished export with what it was exported from; the network whose file ships, and what it must answer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from kdeploy.models import students
from kdeploy.parity.module_truth import module_oracle
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.teacher import TeacherRecord
from kdeploy.transforms.rank import lower_rank


@dataclass(frozen=True)
class ExportedRun:
    """The folder and the record of an export, and those of the stages that it rests on.

    Args:
        teacher: of the teacher, or of the ensemble.
        members: of each teacher; of the one teacher when there is one.
    """

    folder: Path
    record: ExportRecord
    distilled: tuple[Path, DistillRecord]
    teacher: tuple[Path, TeacherRecord]
    members: Sequence[tuple[Path, TeacherRecord]]


class ExportedStudent(NamedTuple):
    """A network in float32; `exact` is what it stands for in float64, None for the trained one, which is exact."""

    module: nn.Module
    exact: nn.Module | None


def exported_student(run: ExportedRun) -> ExportedStudent:
    """The network that `student.onnx` must agree with: the trained student, or what a lower rank made of it."""
    (folder, distilled), bottleneck = run.distilled, run.record.bottleneck
    trained = students.load(folder / distilled.chosen.file, distilled.student)
    if bottleneck.shipped != "low-rank":
        return ExportedStudent(trained, None)
    assert bottleneck.width is not None
    assert isinstance(trained, students.OurStudent)
    rank, chain = bottleneck.width, trained.chain()
    return ExportedStudent(lower_rank(chain, rank).layers, lower_rank(copy.deepcopy(chain).double(), rank).layers)


def exported_logits(run: ExportedRun, inputs: np.ndarray) -> np.ndarray:
    """The logits that `student.onnx` must give on test inputs; as the training recorded them, where it did.

    Args:
        inputs: preprocessed, float32 (inputs, *shape); the first ones of the test part, or all.
    Returns: float32 (inputs, classes); those that were recorded are of all test inputs.
    """
    student, (folder, distilled) = exported_student(run), run.distilled
    if student.exact is None:
        logits: np.ndarray = np.load(folder / distilled.chosen.logits, allow_pickle=False)
        return logits
    return module_oracle(student.module, inputs, student.exact).logits.astype(np.float32)
