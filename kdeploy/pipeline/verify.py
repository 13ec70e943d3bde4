"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline import shipped
from kdeploy.pipeline.ensemble import rule
from kdeploy.pipeline.inputs import artefacts, inputs_of
from kdeploy.pipeline.job import Job
from kdeploy.records.base import Record
from kdeploy.records.teacher import TeacherRecord

if TYPE_CHECKING:
    from torch import nn


def settings(job: Job) -> dict[str, Any]:
    return {"runtimes": _verified_runtimes(job)}


def run(job: Job, folder: Path) -> Record:
    from kdeploy import parity
    from kdeploy.stages import verify as stage

    samples, teacher, distill, export = job.samples(), job.read("teacher"), job.read("distill"), job.read("export")
    student = shipped.student(job)
    student_inputs = inputs_of(job, samples, distill.preprocessing, "test")
    teacher_inputs = inputs_of(job, samples, teacher.preprocessing, "test")
    place = job.folder("export")
    module = _teacher_module(job, teacher)
    if module is None:
        teacher_inputs = teacher_inputs[: stage.REFERENCE_INPUTS]
        teacher_oracle = parity.onnx_oracle(place / "teacher.onnx", teacher_inputs)
    else:
        teacher_oracle = parity.module_oracle(module, teacher_inputs)
    oracles = {
        "student": parity.module_oracle(student.module, student_inputs, student.exact),
        "teacher": teacher_oracle,
    }
    subjects = [
        stage.Subject(name, place / f"{name}.onnx", inputs, oracles[name], artefacts(job, export, name))
        for name, inputs in (("student", student_inputs), ("teacher", teacher_inputs))
    ]
    record = stage.run(subjects=subjects, names=_verified_runtimes(job), progress=job.progress)
    parity.raise_if_failed(record.rows)
    return record


def _teacher_module(job: Job, teacher: TeacherRecord) -> nn.Module | None:
    """The trained net that the exported teacher must agree with; None when an ONNX file is all, or part, of it."""
    from kdeploy.models import teachers
    from kdeploy.models.ensemble import Ensemble

    members = [(job.folder(name), job.read(name)) for name in job.members("teacher")]
    if any(record.origin == "onnx" for _, record in members):
        return None
    modules = [teachers.module(folder, teachers.spec_of(record)) for folder, record in members]
    return modules[0] if teacher.ensemble is None else Ensemble(modules, rule(job)).eval()


def _verified_runtimes(job: Job) -> list[str]:
    """Everything that the recipe names, and the reference evaluator."""
    recipe = job.recipe
    named = ("reference", recipe.export.target, *recipe.export.formats, *recipe.bench.runtimes)
    return [name for name in dict.fromkeys(named) if name != "onnx"]
