"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.ensemble import rule
from kdeploy.pipeline.inputs import artefacts, inputs_of
from kdeploy.pipeline.job import Job
from kdeploy.records.base import Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord

if TYPE_CHECKING:
    from torch import nn

    from kdeploy.stages.verify import Subject, Truth


EVIDENCE = 2  # made inputs, batches and preprocessing since 2; what 1 had verified is verified again


def settings(job: Job) -> dict[str, Any]:
    return {"runtimes": _verified_runtimes(job), "evidence": EVIDENCE}


def run(job: Job, folder: Path) -> Record:
    from kdeploy import parity
    from kdeploy.models import shallow
    from kdeploy.models.weights import load_weights
    from kdeploy.stages import verify as stage

    teacher, distill, export = job.read("teacher"), job.read("distill"), job.read("export")
    student = shallow.seeded(0, **distill.student)
    load_weights(student, job.folder("distill") / distill.chosen.file)
    module, path = _teacher_module(job, teacher), job.folder("export") / "teacher.onnx"
    truths = {
        "student": stage.truth_of_module(student.eval()),
        "teacher": stage.truth_of_graph(path, "its graph in float64")
        if module is None
        else stage.truth_of_module(module),
    }
    specs = {
        "student": (distill.preprocessing, export.preprocessing),
        "teacher": (teacher.preprocessing, export.teacher_preprocessing),
    }
    most = {"student": None, "teacher": stage.REFERENCE_INPUTS if module is None else None}
    subjects = [_subject(job, name, truth, *specs[name], most[name]) for name, truth in truths.items()]
    record = stage.run(subjects=subjects, names=_verified_runtimes(job), progress=job.progress)
    parity.raise_if_failed(record.rows)
    return record


def _subject(
    job: Job, name: str, truth: Truth, trained: Preprocessing, recorded: Preprocessing, most: int | None
) -> Subject:
    """One model on the test inputs.

    Args:
        trained, recorded: its preprocessing, as it was trained with and as it is deployed with.
        most: of the inputs; None for all.
    """
    from kdeploy.samples.preprocessing_numpy import apply_numpy
    from kdeploy.stages.verify import REFERENCE_INPUTS, Subject

    samples, export = job.samples(), job.read("export")
    inputs = inputs_of(job, samples, trained, "test")[:most]
    raw = samples.inputs[recorded.input][samples.parts["test"][:REFERENCE_INPUTS]]
    path, made = job.folder("export") / f"{name}.onnx", artefacts(job, export, name)
    return Subject(name, path, inputs, truth.oracle(inputs), made, truth, fed=apply_numpy(recorded, raw))


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
