"""teacher: what it depends on, and its call; of several, each alone, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.earlier_run import StudentOfRun, student_of
from kdeploy.pipeline.inputs import feed
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES, whole
from kdeploy.pipeline.settings import resolved, training_options
from kdeploy.pipeline.stage import for_each_teacher
from kdeploy.recipe.teacher import Teacher
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.files import hash_file, hash_folder, hash_module

if TYPE_CHECKING:
    from kdeploy.samples.views.views import Views
    from kdeploy.stages.teacher import ExternalTeacher, TrainedTeacher


def settings(job: Job, number: int) -> dict[str, Any]:
    """Those of one teacher; they are the same in an ensemble, so that it shares the teachers of other recipes."""
    teacher, path = job.recipe.members[number], job.teacher_files[number]
    said = teacher.settings() | {"file": None if path is None else hash_file(path)}
    if teacher.model is not None:
        views = None if teacher.train.views is None else {"seed": job.recipe.views.seed}
        return said | {"train": resolved(teacher.train), "views": views or job.recipe.views.of_labeled.settings()}
    if teacher.run is not None:
        return said | {"preprocessing": _student(job, teacher.run).record.preprocessing.model_dump(mode="json")}
    # code counts by its module, and a folder that stands for a Hugging Face repository by its files
    code = teacher.torch and hash_module(teacher.torch.partition(":")[0])
    folder = Path(teacher.huggingface or "")
    return said | {"code": code, "folder": hash_folder(folder) if teacher.huggingface and folder.is_dir() else None}


def _student(job: Job, name: str) -> StudentOfRun:
    return student_of(job.store, name, "teacher", "run")


def combine(job: Job, folder: Path) -> TeacherRecord:
    """The members as one teacher."""
    from kdeploy.models.ensemble import Rule
    from kdeploy.stages import ensemble as stage
    from kdeploy.training.loop import device_named, software

    return stage.teacher(
        folder,
        members=members_of(job),
        rule=Rule(**job.recipe.combination),
        samples=job.samples(),
        software=software(device_named("cpu"), "fp32"),
    )


def run(job: Job, folder: Path, number: int) -> TeacherRecord:
    """Train or take in one teacher."""
    from kdeploy.stages import teacher as stage

    asked, samples = job.recipe.members[number], job.samples()
    preprocessing = preprocessing_of(job, asked, samples)
    return stage.run(
        folder,
        teacher=_trained(job, asked) if asked.model is not None else _external(job, asked, job.teacher_files[number]),
        preprocessing=preprocessing,
        samples=samples,
        views=_views(job, asked, preprocessing),
        device=job.recipe.distill.device,
        progress=job.progress,
    )


def preprocessing_of(job: Job, asked: Teacher, samples: SampleSet) -> Preprocessing:
    """What a teacher reads: as its recipe says, as its run's student does, as its publisher says, or plain."""
    if asked.run is not None:
        return _student(job, asked.run).record.preprocessing
    plain = samples.plain_preprocessing
    if asked.preprocess is not None:
        return plain.model_copy(update=asked.preprocess.model_dump(exclude_defaults=True))
    if asked.named is None:
        return plain
    from kdeploy.models import pretrained

    return plain.model_copy(update=pretrained.expects(*asked.named))


def _trained(job: Job, asked: Teacher) -> TrainedTeacher:
    from kdeploy.stages.teacher import Length, TrainedTeacher

    train = asked.train
    length = Length(train.steps, train.epochs)
    return TrainedTeacher(str(asked.model), length, train.seed, training_options(train, job), asked.net)


def _external(job: Job, asked: Teacher, path: Path | None) -> ExternalTeacher:
    from kdeploy.stages.teacher import ExternalTeacher

    classes = None if asked.run is None else _student(job, asked.run).class_names
    return ExternalTeacher(asked.origin, asked.called if asked.onnx is None else Path(asked.onnx).name, path, classes)


def _views(job: Job, asked: Teacher, preprocessing: Preprocessing) -> Views:
    """The augmentation of the labelled part: the teacher's own, else the recipe's."""
    from kdeploy.samples.views.views import Views

    recipe_views = feed(job, preprocessing).views
    own = asked.train.views
    return recipe_views if own is None else Views(recipe_views.seed, **own.model_dump(exclude={"munge"}))


def _trains(job: Job, number: int) -> bool:
    """A built-in teacher is trained, others are taken in."""
    return job.recipe.members[number].model is not None


TEACHER = for_each_teacher("teacher", TeacherRecord, (SAMPLES,), settings, run, combine, depends=whole, trains=_trains)


def members_of(job: Job) -> list[tuple[Path, TeacherRecord]]:
    """The folder and the record of each teacher, which are done."""
    return [(job.folder(one), job.read(one)) for one in job.members(TEACHER)]
