"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline import exported_student
from kdeploy.pipeline.ensemble import rule
from kdeploy.pipeline.inputs import artefacts, inputs_of, labelled
from kdeploy.pipeline.job import Job
from kdeploy.recipe.formats import ALL, ONNX, Asked
from kdeploy.records.base import Record
from kdeploy.records.parity import ParityRow
from kdeploy.records.precision import Cost
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord

if TYPE_CHECKING:
    from torch import nn

    from kdeploy.stages.verify import Subject, Truth

EVIDENCE = 2  # made inputs, batches and preprocessing since 2; what 1 had verified is verified again


def settings(job: Job) -> dict[str, Any]:
    return {"runtimes": _named(job), "evidence": EVIDENCE}


def run(job: Job, folder: Path) -> Record:
    from kdeploy.parity.compare import raise_if_failed
    from kdeploy.stages import verify as stage

    teacher, distill, export = job.read("teacher"), job.read("distill"), job.read("export")
    student = exported_student.student(job)
    module, path = _teacher_module(job, teacher), job.folder("export") / "teacher.onnx"
    truths = {
        "student": stage.truth_of_module(student.module, student.exact),
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
    names = [name for name in _named(job) if Asked.parse(name).precision == "fp32" and name != ALL]
    record = stage.run(subjects=subjects, names=names, progress=job.progress)
    rows = (*record.rows, *_raw_rows(job, subjects[0]))
    raise_if_failed(rows)
    return record.model_copy(update={"rows": rows, "costs": _costs(job)})


def _raw_rows(job: Job, student: Subject) -> tuple[ParityRow, ...]:
    """Raw input to logits, where the export has preprocessing in the graph; nothing where it has not.

    The student itself stands before it, so that what fails here alone is the preprocessing.
    """
    from kdeploy.stages.export.with_preprocessing import compare

    export, samples = job.read("export"), job.samples()
    if export.raw is None:
        return ()
    canonical = samples.inputs[export.preprocessing.input][samples.parts["test"]]
    path, names = job.folder("export") / export.raw.file, ("reference", job.recipe.export.target)
    return compare(path, canonical, export.raw.layout, student.oracle, names)


def _costs(job: Job) -> tuple[Cost, ...]:
    """On the test inputs, what each format in another precision than fp32 costs."""
    from kdeploy.evaluation.precision_cost import precision_cost

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
    refused = [one.key for one in export.formats if one.model == name and one.refused is not None]
    fed = apply_numpy(recorded, raw)
    return Subject(name, path, inputs, truth.oracle(inputs), made, truth, fed=fed, refused=refused)


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
