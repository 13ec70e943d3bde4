"""How fast a student will be, before it is trained: a latency depends on the sizes of a network, not on its weights.

The student has its first weights, and so has a built-in teacher that is not made yet. Any other teacher must be made,
or be an ONNX file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from kdeploy.errors import KdeployError
from kdeploy.evaluation.gate import check_speedup
from kdeploy.graphs.inspector.admit import admit
from kdeploy.graphs.inspector.trial import call_once
from kdeploy.models import students, teachers
from kdeploy.models.students import StudentOptions
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.teacher import TEACHER, class_count, members_of, preprocessing_of
from kdeploy.records.bench import BenchRecord
from kdeploy.records.plan import SpeedPreview
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.reports.summary import bench_rows
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.samples.feed import plain_inputs
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bench
from kdeploy.stages.bench import Contender
from kdeploy.stages.export import run
from kdeploy.stages.export.low_rank import Rank
from kdeploy.timing.request import NoiseLimits, Settings

INPUTS = 16  # as many as prove the forms and are read in rotation


class _Unknown(Exception):
    """The speed cannot be known yet, for the reason that it says."""


def preview_speed(job: Job, samples: SampleSet) -> SpeedPreview:
    """Export an untrained student and the teacher, and time them as the recipe says, briefly. Nothing is kept.

    A busy machine gives an answer too, with a wide interval: every block counts, and the claim says what disturbed it.
    """
    try:
        with scratch_folder() as scratch:
            return _previewed(job, samples, scratch)
    except (_Unknown, KdeployError) as exc:
        return SpeedPreview(reason=str(exc))


def _previewed(job: Job, samples: SampleSet, folder: Path) -> SpeedPreview:
    read = _teacher_file(job, samples, folder)
    inputs = _some(samples, samples.plain_preprocessing)
    bottleneck = _student_file(job, samples, folder, inputs)
    baseline = _contender("teacher", folder / run.TEACHER, _some(samples, read))
    record = _timed(job, folder, baseline, _contender("student", folder / run.STUDENT, inputs))
    least = job.recipe.gate.min_speedup
    return SpeedPreview(
        bottleneck=bottleneck,
        untrained_teacher=not job.has(TEACHER) and job.recipe.members[0].model is not None,
        bench=bench_rows(record),
        gate=None if least is None else check_speedup(least, record.comparison),
    )


def _some(samples: SampleSet, preprocessing: Preprocessing) -> np.ndarray:
    return plain_inputs(samples, preprocessing, samples.parts["held_out"][:INPUTS])


def _teacher_file(job: Job, samples: SampleSet, folder: Path) -> Preprocessing:
    """Write `teacher.onnx`; the preprocessing that it needs."""
    record = job.find(TEACHER)
    if record is not None:
        run.teacher_file(folder, run.ExportedTeacher(record, members_of(job)))
        return record.preprocessing
    teacher, path = job.recipe.members[0], folder / run.TEACHER
    preprocessing = preprocessing_of(job, 0, samples.plain_preprocessing)
    if job.count > 1 or (teacher.model is None and teacher.onnx is None):
        raise _Unknown("the teacher is not made yet: kdeploy label makes it")
    if teacher.model is not None:
        arguments = {"shape": preprocessing.model_shape, "classes": len(samples.class_names), **teacher.net}
        module = teachers.seeded(teacher.model, 0, arguments | _plain_statistics(preprocessing))
        run.module_file(path, module.eval(), preprocessing)
    else:
        file = job.teacher_sources[0].file
        assert file is not None
        inspection = admit(file)
        for name in job.recipe.bench.options(bench.BenchOptions).runtimes:
            call_once(file, inspection, name)
        shutil.copyfile(file, path)
    return preprocessing


def _student_file(job: Job, samples: SampleSet, folder: Path, inputs: np.ndarray) -> str:
    """Write `student.onnx`; the form of the bottleneck that it has, and why."""
    preprocessing, options = samples.plain_preprocessing, job.recipe.export.options(run.ExportOptions)
    if isinstance(options.bottleneck, Rank) and options.bottleneck.rank is None:
        raise _Unknown(f"export.bottleneck {options.bottleneck} finds a rank from trained weights")
    network = students.described(
        job.recipe.student.options(StudentOptions),
        shape=preprocessing.model_shape,
        classes=class_count(job, samples.record),
        **_plain_statistics(preprocessing),
    )
    module = students.seeded(network, 0).eval()
    forms = run.student_forms(folder, module, preprocessing.input, inputs, options, job.progress)
    shipped = forms.bottleneck
    shutil.copyfile(folder / f"student.{shipped.shipped}.onnx", folder / run.STUDENT)
    return f"{shipped.shipped} ({shipped.reason})"


def _plain_statistics(preprocessing: Preprocessing) -> dict[str, list[float]]:
    """Statistics in place of those of the data, for the normalisation inside a network: the same node."""
    channels = preprocessing.model_shape[0]
    return {"mean": [0.5] * channels, "std": [0.25] * channels}


def _contender(name: str, path: Path, inputs: np.ndarray) -> Contender:
    return Contender(name=name, onnx=path, inputs=inputs, expected=None, quality=None, torch_flops=None, artefacts={})


def _timed(job: Job, folder: Path, baseline: Contender, candidate: Contender) -> BenchRecord:
    options = job.recipe.bench.options(bench.BenchOptions)
    return bench.run(
        folder,
        baseline=baseline,
        candidate=candidate,
        names=options.runtimes,
        sizes=options.sizes,
        settings=Settings.quick(Settings(limit_ns=round(options.max_seconds * 1e9), limits=NoiseLimits(voids=False))),
        command=job.command,
        progress=job.progress,
    )
