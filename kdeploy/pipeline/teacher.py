"""teacher: what it depends on, and its call; of several, each alone, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.errors import InputError
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES, feed, whole
from kdeploy.pipeline.stage import for_each_teacher
from kdeploy.recipe.teacher import Teacher
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherRecord
from kdeploy.system.files import hash_file, hash_folder, hash_module
from kdeploy.training.settings import resolved

if TYPE_CHECKING:
    from kdeploy.samples.views.views import Views


def settings(job: Job, number: int) -> dict[str, Any]:
    """Those of one teacher; they are the same in an ensemble, so that it shares the teachers of other recipes."""
    teacher, source = job.recipe.members[number], job.teacher_sources[number]
    said = teacher.settings() | {"file": None if source.file is None else hash_file(source.file)}
    if teacher.model is not None:
        views = None if teacher.train.views is None else {"seed": job.recipe.views.seed}
        return said | {
            "train": resolved(teacher.train, job.threads),
            "views": views or job.recipe.views.of_labeled.settings(),
        }
    if source.preprocessing is not None:
        return said | {"preprocessing": source.preprocessing.model_dump(mode="json")}
    if source.class_names is not None:
        said |= {"classes": list(source.class_names)}
    # code counts by its module, and a folder that stands for a Hugging Face repository by its files
    code = teacher.torch and hash_module(teacher.torch.partition(":")[0])
    folder = Path(teacher.huggingface or "")
    return said | {"code": code, "folder": hash_folder(folder) if teacher.huggingface and folder.is_dir() else None}


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

    teacher, source, train = job.recipe.members[number], job.teacher_sources[number], job.recipe.members[number].train
    preprocessing = preprocessing_of(job, number, job.samples().plain_preprocessing)
    made: stage.TrainedTeacher | stage.ExternalTeacher
    if teacher.model is None:
        name = teacher.called if teacher.onnx is None else Path(teacher.onnx).name
        made = stage.ExternalTeacher(teacher.origin, name, source.file, source.class_names)
    else:
        length = stage.Length(train.steps, train.epochs)
        made = stage.TrainedTeacher(teacher.model, length, train.seed, job.training_options(train), teacher.net)
    return stage.run(
        folder,
        teacher=made,
        preprocessing=preprocessing,
        samples=job.samples(),
        views=_views(job, teacher, preprocessing),
        device=job.recipe.distill.device,
        progress=job.progress,
    )


def preprocessing_of(job: Job, number: int, plain: Preprocessing) -> Preprocessing:
    """What a teacher reads: as its run's student does, as its recipe says, as its publisher says, or plain."""
    teacher, source = job.recipe.members[number], job.teacher_sources[number]
    if source.preprocessing is not None:
        return source.preprocessing
    if teacher.preprocess is not None:
        return plain.model_copy(update=teacher.preprocess.model_dump(exclude_defaults=True))
    if teacher.named is None:
        return plain
    from kdeploy.models import pretrained

    return plain.model_copy(update=pretrained.expects(*teacher.named))


def class_count(job: Job, samples: SamplesRecord) -> int:
    """How many classes the students tell apart: those of the data; where those name none, of the first teacher's file.

    Raises: InputError where nothing says it before the teacher is made.
    """
    record, source = job.find(TEACHER), job.teacher_sources[0]
    names = samples.class_names or source.class_names or (record.class_names if record else ())
    if not names and job.recipe.members[0].onnx is not None and source.file is not None:
        from kdeploy.models.signature import signature

        return signature(source.file).classes
    if not names:
        must = "must be made before the number of its classes is known, as the data name none"
        raise InputError(f"teacher[0] ({job.recipe.members[0].called})", must, advice="kdeploy label makes it.")
    return len(names)


def _views(job: Job, teacher: Teacher, preprocessing: Preprocessing) -> Views:
    """The augmentation of the labelled part: the teacher's own, else the recipe's."""
    from kdeploy.samples.views.views import Views

    recipe_views = feed(job, preprocessing).views
    own = teacher.train.views
    return recipe_views if own is None else Views(recipe_views.seed, **own.model_dump(exclude={"munge"}))


def _trains(job: Job, number: int) -> bool:
    """A built-in teacher is trained, others are taken in."""
    return job.recipe.members[number].model is not None


TEACHER = for_each_teacher("teacher", TeacherRecord, (SAMPLES,), settings, run, combine, depends=whole, trains=_trains)


def members_of(job: Job) -> list[tuple[Path, TeacherRecord]]:
    """The folder and the record of each teacher, which are done."""
    return [(job.folder(one), job.read(one)) for one in job.members(TEACHER)]
