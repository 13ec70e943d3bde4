"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.formats import ALL, ONNX, Asked
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord

if TYPE_CHECKING:
    from torch import nn

    from kdeploy.parity.truth import Truth
    from kdeploy.stages.verify import LowerPrecision, RawFile, Subject


def settings(job: Job) -> dict[str, Any]:
    """Every format that is compared."""
    return {"runtimes": _named(job)}


def run(job: Job, folder: Path) -> VerifyRecord:
    """Compare the exported files with the trained nets."""
    from kdeploy.evaluation.exported_student import exported_student
    from kdeploy.parity.module_truth import ModuleTruth
    from kdeploy.parity.truth import GraphTruth
    from kdeploy.stages import verify as stage

    teacher, distill, export = job.read(TEACHER), job.read(DISTILL), job.read(EXPORT)
    student = exported_student(job.folder(DISTILL), distill, export.bottleneck)
    module = _teacher_module(job, teacher)
    student_truth = ModuleTruth(student.module, student.exact)
    teacher_truth = (
        GraphTruth(job.folder(EXPORT) / "teacher.onnx", "its graph in float64")
        if module is None
        else ModuleTruth(module)
    )
    most = stage.REFERENCE_INPUTS if module is None else None
    return stage.run(
        subjects=[
            _subject(job, "student", student_truth, distill.preprocessing, export.preprocessing, None),
            _subject(job, "teacher", teacher_truth, teacher.preprocessing, export.teacher_preprocessing, most),
        ],
        names=[name for name in _named(job) if Asked.parse(name).precision == "fp32" and name != ALL],
        raw=_raw(job),
        lower=_lower(job),
        progress=job.progress,
    )


def _raw(job: Job) -> RawFile | None:
    """The student with its preprocessing, where the export has that."""
    from kdeploy.stages.verify import RawFile

    export, samples = job.read(EXPORT), job.samples()
    if export.raw is None:
        return None
    canonical = samples.inputs[export.preprocessing.input][samples.parts["test"]]
    names = ("reference", job.recipe.export.target)
    return RawFile(job.folder(EXPORT) / export.raw.file, canonical, export.raw.layout, names)


def _lower(job: Job) -> list[LowerPrecision]:
    """Each format in another precision than fp32, with the test inputs as its model reads them."""
    from kdeploy.evaluation.precision_cost import Labelled
    from kdeploy.stages.verify import LowerPrecision

    specs = {"teacher": job.read(TEACHER).preprocessing}
    formats = [one for one in job.read(EXPORT).formats if one.precision != "fp32" and one.refused is None]
    inputs = {
        model: Labelled.of(job.samples(), specs.get(model, job.read(DISTILL).preprocessing), "test")
        for model in {one.model for one in formats}
    }
    return [LowerPrecision(one, job.folder(EXPORT), inputs[one.model]) for one in formats]


def _subject(
    job: Job, name: str, truth: Truth, trained: Preprocessing, recorded: Preprocessing, most: int | None
) -> Subject:
    """One model on the test inputs.

    Args:
        trained, recorded: its preprocessing, as it was trained with and as it is deployed with.
        most: of the inputs; None for all.
    """
    from kdeploy.samples.feed import plain_inputs
    from kdeploy.samples.preprocessing_numpy import apply_numpy
    from kdeploy.stages.verify import REFERENCE_INPUTS, Subject

    samples, export = job.samples(), job.read(EXPORT)
    inputs = plain_inputs(samples, trained, samples.parts["test"][:most])
    raw = samples.inputs[recorded.input][samples.parts["test"][:REFERENCE_INPUTS]]
    return Subject(
        name,
        job.folder(EXPORT) / f"{name}.onnx",
        inputs,
        truth.oracle(inputs),
        export.files(job.folder(EXPORT), name),
        truth,
        fed=apply_numpy(recorded, raw),
        refused=[one.key for one in export.formats if one.model == name and one.refused is not None],
    )


def _teacher_module(job: Job, teacher: TeacherRecord) -> nn.Module | None:
    """The trained net that the exported teacher must agree with; None when an ONNX file is all, or part, of it."""
    from kdeploy.models import teachers
    from kdeploy.models.ensemble import Ensemble, Rule

    members = [(job.folder(one), job.read(one)) for one in job.members(TEACHER)]
    if any(record.origin == "onnx" for _, record in members):
        return None
    modules = [teachers.module(folder, teachers.spec_of(record)) for folder, record in members]
    return modules[0] if teacher.ensemble is None else Ensemble(modules, Rule(**job.recipe.combination)).eval()


def _named(job: Job) -> list[str]:
    """Everything that the recipe names, and the reference evaluator; what `all` stands for is found in the export."""
    recipe = job.recipe
    named = ("reference", recipe.export.target, *recipe.export.formats, *recipe.bench.runtimes)
    return [name for name in dict.fromkeys(str(Asked.parse(text)) for text in named) if name != ONNX]


VERIFY = Stage("verify", VerifyRecord, (SAMPLES, TEACHER, DISTILL, EXPORT), settings, run, measures=True)
