"""teacher: what it depends on, and its call."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.earlier_run import Taught, student_of
from kdeploy.pipeline.inputs import feed, plain_preprocessing
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, regime, view_settings
from kdeploy.recipe.teacher import NAMED, Teacher, TeacherPreprocess
from kdeploy.records.base import Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.files import hash_file

if TYPE_CHECKING:
    from kdeploy.samples.views.views import Views


DEFAULT_STEPS = 600


def settings(job: Job, number: int = 0) -> dict[str, Any]:
    """Of one teacher; they are the same in an ensemble, so that it shares the teachers of other recipes."""
    teacher, path = job.recipe.members[number], job.teacher_files[number]
    if teacher.model is not None:
        train = teacher.training
        # what came later is left out while it is not set, so that older results stay valid
        training = train.model_dump(exclude={"views", "steps", "epochs"} | train.usual())
        training |= {"precision": precision(train.precision)}
        training |= {"epochs": train.epochs} if train.epochs else {"steps": train.steps or DEFAULT_STEPS}
        views = {"seed": job.recipe.views.seed, "own": train.views.settings()} if train.views else None
        net = {"net": teacher.net} if teacher.net else {}
        return {"model": teacher.model, "train": training, "views": views or view_settings(job, count=False)} | net
    file = None if path is None else hash_file(path)
    if teacher.run is not None:
        return {"run": file, "preprocessing": _student(job, teacher.run).record.preprocessing.model_dump(mode="json")}
    if teacher.named is not None:
        return {
            **teacher.model_dump(include={"preprocess", *NAMED}),
            "file": file,
            "folder": _folder(teacher.huggingface),
        }
    return teacher.model_dump(include={"preprocess", "torch"}) | {"file": file, "code": _code(teacher.torch)}


def _code(build: str | None) -> str | None:
    """The hash of the module that a torch teacher is built by; what that module imports does not count."""
    if build is None:
        return None
    try:
        found = importlib.util.find_spec(build.partition(":")[0])
    except ImportError:
        return None  # building it will say so
    origin = None if found is None else found.origin
    return hash_file(Path(origin)) if origin and Path(origin).is_file() else None


def _folder(name: str | None) -> dict[str, str] | None:
    """The hashes of the files in a folder that stands for a page of the hub; a page on the hub counts by its name."""
    folder = None if name is None else Path(name)
    if folder is None or not folder.is_dir():
        return None
    return {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _student(job: Job, name: str) -> Taught:
    return student_of(job.store, name, "teacher", "run")


def teacher_preprocessing(asked: TeacherPreprocess | None, samples: SampleSet) -> Preprocessing:
    given = {} if asked is None else {key: value for key, value in asked.model_dump().items() if value is not None}
    return plain_preprocessing(samples).model_copy(update=given)


def _views(job: Job, asked: Teacher, samples: SampleSet, preprocessing: Preprocessing) -> Views:
    """The augmentation of the labelled part: the teacher's own, else the recipe's."""
    from kdeploy.samples.views.views import Views

    recipe_views = feed(job, samples, preprocessing).views
    own = asked.train.views if asked.train else None
    return recipe_views if own is None else Views(recipe_views.seed, **own.model_dump(exclude={"munge"}))


def run(job: Job, folder: Path, number: int = 0) -> Record:
    from kdeploy.models import pretrained
    from kdeploy.stages import teacher as stage

    asked, samples, path = job.recipe.members[number], job.samples(), job.teacher_files[number]
    preprocessing = teacher_preprocessing(asked.preprocess, samples)
    teacher: stage.Trained | stage.Given
    if asked.model is not None:
        train = asked.training
        teacher = stage.Trained(
            asked.model,
            stage.Length(train.steps or DEFAULT_STEPS, train.epochs),
            train.batch,
            train.lr,
            train.weight_decay,
            train.seed,
            precision(train.precision),
            asked.net,
            regime(train, job),
        )
    elif asked.onnx is not None:
        teacher = stage.Given("onnx", Path(asked.onnx).name, path)
    elif asked.run is not None:
        student = _student(job, asked.run)
        teacher = stage.Given("run", asked.run, path, student.class_names)
        preprocessing = student.record.preprocessing
    elif asked.named is not None:
        origin, name = asked.named
        teacher = stage.Given(origin, name, path)
        if asked.preprocess is None:
            preprocessing = preprocessing.model_copy(update=pretrained.expects(origin, name))
    else:
        teacher = stage.Given("torch", str(asked.torch), path)
    return stage.run(
        folder,
        teacher=teacher,
        preprocessing=preprocessing,
        samples=samples,
        views=_views(job, asked, samples, preprocessing),
        device=job.recipe.distill.device,
        progress=job.progress,
    )
