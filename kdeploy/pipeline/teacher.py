"""teacher: what it depends on, and its call."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from kdeploy.pipeline.inputs import feed, plain_preprocessing
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, regime, view_settings
from kdeploy.records.base import Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.sampleset import SampleSet
from kdeploy.store import hash_file


def settings(job: Job) -> dict[str, Any]:
    teacher = job.recipe.teacher[0]
    if teacher.model is not None:
        asked = teacher.training
        training = asked.model_dump(exclude=asked.usual()) | {"precision": precision(asked.precision)}
        return {"model": teacher.model, "train": training, "views": view_settings(job, count=False)}
    file = None if job.teacher_file is None else hash_file(job.teacher_file)
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


def _teacher_preprocessing(job: Job, samples: SampleSet) -> Preprocessing:
    asked = job.recipe.teacher[0].preprocess
    given = {} if asked is None else {key: value for key, value in asked.model_dump().items() if value is not None}
    return plain_preprocessing(samples).model_copy(update=given)


def run(job: Job, folder: Path) -> Record:
    from kdeploy.stages import teacher as stage

    asked, samples = job.recipe.teacher[0], job.samples()
    preprocessing = _teacher_preprocessing(job, samples)
    teacher: stage.Trained | stage.Given
    if asked.model is not None:
        train = asked.training
        teacher = stage.Trained(
            asked.model,
            train.steps,
            train.batch,
            train.lr,
            train.weight_decay,
            train.seed,
            precision(train.precision),
            regime(train, job),
        )
    elif asked.onnx is not None:
        teacher = stage.Given("onnx", Path(asked.onnx).name, job.teacher_file)
    else:
        teacher = stage.Given("torch", str(asked.torch), job.teacher_file)
    return stage.run(
        folder,
        teacher=teacher,
        preprocessing=preprocessing,
        samples=samples,
        views=feed(job, samples, preprocessing).views,
        device=job.recipe.distill.device,
        progress=job.progress,
    )
