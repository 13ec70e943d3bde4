"""distill: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.errors import InputError
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS, open_labels
from kdeploy.pipeline.samples import SAMPLES, feed
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER, class_count
from kdeploy.records.distill import DistillRecord
from kdeploy.system.files import hash_folder, hash_module
from kdeploy.training.settings import resolved


def settings(job: Job) -> dict[str, Any]:
    """What the student is, and how it learns."""
    student = job.recipe.student
    said: dict[str, Any] = {"student": student.settings(), "distill": resolved(job.recipe.distill, job.threads)}
    # code counts by its module, and a folder that stands for a Hugging Face repository by its files
    if student.torch is not None:
        said["code"] = hash_module(student.torch.partition(":")[0])
    if ":" in job.recipe.distill.loss:
        said["loss_code"] = hash_module(job.recipe.distill.loss.partition(":")[0])
    if student.huggingface is not None and (folder := Path(student.huggingface)).is_dir():
        said["folder"] = hash_folder(folder)
    return said


def run(job: Job, folder: Path) -> DistillRecord:
    """Train students and baselines, and judge them."""
    from kdeploy.evaluation.logits import stored_logits
    from kdeploy.losses.options import LossOptions
    from kdeploy.models.students import StudentOptions
    from kdeploy.stages import distill as stage

    samples, distill = job.samples(), job.recipe.distill
    teacher = job.folder(TEACHER)
    return stage.run(
        folder,
        student=job.recipe.student.options(StudentOptions),
        feed=feed(job, samples.plain_preprocessing),
        samples=samples,
        teacher=stage.StoredTeacher(
            open_labels(job), stored_logits(teacher, "test"), stored_logits(teacher, "held_out")
        ),
        options=distill.options(
            stage.DistillOptions,
            training=job.training_options(distill),
            loss=distill.options(LossOptions),
        ),
        progress=job.progress,
    )


def try_outside(job: Job) -> None:
    """Try a student and a loss from outside, once, as soon as the number of outputs is known: before anything is
    labelled.

    Raises: what `kdeploy.stages.student_trial` and `kdeploy.losses.own` raise.
    """
    student, loss = job.recipe.student, job.recipe.distill.loss
    if (student.called is None and ":" not in loss) or job.outside_tried or job.has(DISTILL):
        return
    try:
        width = class_count(job, job.read(SAMPLES))
    except InputError:  # the teacher says it
        return
    from kdeploy.losses.own import try_own

    if ":" in loss:
        try_own(loss, width)
    if student.called is not None:
        _try_student(job, width)
    job.outside_tried = True


def _try_student(job: Job, width: int) -> None:
    from kdeploy.models.students import StudentOptions
    from kdeploy.stages import student_trial

    samples = job.samples()
    student_trial.run(
        job.recipe.student.options(StudentOptions),
        name=samples.plain_preprocessing.input,
        inputs=feed(job, samples.plain_preprocessing).plain(samples.transfer[: 2 * student_trial.ROWS]),
        outputs=job.recipe.outputs,
        width=width,
        ends_linear=samples.kind.terms.standardizes or job.recipe.distill.match_prior,
    )


DISTILL = Stage("distill", DistillRecord, (SAMPLES, TEACHER, LABELS), settings, run, trains=lambda _job: True)
