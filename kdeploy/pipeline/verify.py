"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline import shipped
from kdeploy.pipeline.ensemble import rule
from kdeploy.pipeline.inputs import artefacts, inputs_of, labelled
from kdeploy.pipeline.job import Job
from kdeploy.recipe.formats import ALL, ONNX, Asked
from kdeploy.records.base import Record
from kdeploy.records.parity import ParityRow
from kdeploy.records.precision import Cost
from kdeploy.records.teacher import TeacherRecord

if TYPE_CHECKING:
    from torch import nn

    from kdeploy.stages.verify import Subject


def settings(job: Job) -> dict[str, Any]:
    return {"runtimes": _named(job)}


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
    names = [name for name in _named(job) if Asked.parse(name).precision == "fp32" and name != ALL]
    record = stage.run(subjects=subjects, names=names, progress=job.progress)
    rows = (*record.rows, *_raw_rows(job, subjects[0]))
    parity.raise_if_failed(rows)
    return record.model_copy(update={"rows": rows, "costs": _costs(job)})


def _raw_rows(job: Job, student: Subject) -> tuple[ParityRow, ...]:
    """Raw input to logits, where the export has preprocessing in the graph; nothing where it has not.

    The student itself stands before it, so that what fails here alone is the preprocessing.
    """
    from kdeploy.transforms import preprocess

    export, samples = job.read("export"), job.samples()
    if export.raw is None:
        return ()
    canonical = samples.inputs[export.preprocessing.input][samples.parts["test"]]
    path, read = job.folder("export") / export.raw.file, export.preprocessing.input
    names = ("reference", job.recipe.export.target)
    return preprocess.compare(path, read, canonical, export.raw.layout, student.oracle, names)


def _costs(job: Job) -> tuple[Cost, ...]:
    """On the test inputs, what each format in another precision than fp32 costs."""
    from kdeploy.evaluation import precision_cost

    samples, export, place = job.samples(), job.read("export"), job.folder("export")
    lower = [made for made in export.formats if made.precision != "fp32" and made.refused is None]
    read = {"teacher": job.read("teacher").preprocessing}
    on = {
        model: labelled(job, samples, read.get(model, job.read("distill").preprocessing), "test")
        for model in {made.model for made in lower}
    }
    return tuple(
        precision_cost(
            made.model,
            place / f"{made.model}.onnx",
            place / made.file,
            Asked(made.runtime, made.precision),
            on[made.model],
        ).model_copy(update={"calibration": made.cost.calibration if made.cost else None})
        for made in lower
    )


def _teacher_module(job: Job, teacher: TeacherRecord) -> nn.Module | None:
    """The trained net that the exported teacher must agree with; None when an ONNX file is all, or part, of it."""
    from kdeploy.models import teachers
    from kdeploy.models.ensemble import Ensemble

    members = [(job.folder(name), job.read(name)) for name in job.members("teacher")]
    if any(record.origin == "onnx" for _, record in members):
        return None
    modules = [teachers.module(folder, teachers.spec_of(record)) for folder, record in members]
    return modules[0] if teacher.ensemble is None else Ensemble(modules, rule(job)).eval()


def _named(job: Job) -> list[str]:
    """Everything that the recipe names, and the reference evaluator; what `all` stands for is found in the export."""
    recipe = job.recipe
    named = ("reference", recipe.export.target, *recipe.export.formats, *recipe.bench.runtimes)
    return [name for name in dict.fromkeys(str(Asked.parse(text)) for text in named) if name != ONNX]
