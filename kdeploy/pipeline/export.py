"""export: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.inputs import feed, inputs_of, labelled
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import host_settings
from kdeploy.recipe import models as recipe
from kdeploy.recipe.formats import ALL, expanded
from kdeploy.records.base import Record
from kdeploy.runtimes import installed

if TYPE_CHECKING:
    from kdeploy.stages.export.forms import Choice

ORACLE = "reference"  # it says what ONNX means, and nobody deploys it


def settings(job: Job) -> dict[str, Any]:
    """With `all` among the formats, the result depends on which runtimes are here."""
    export = job.recipe.export
    timed = host_settings() if export.bottleneck == "auto" else {}
    here = {"runtimes": _deployed()} if ALL in export.formats else {}
    return export.model_dump(mode="json", exclude=export.usual()) | timed | here


def run(job: Job, folder: Path) -> Record:
    from kdeploy.parity.compare import thinned
    from kdeploy.stages.export import precision, with_preprocessing
    from kdeploy.stages.export import run as stage
    from kdeploy.stages.export.formats import TRANSFER

    samples, teacher, distill = job.samples(), job.read("teacher"), job.read("distill")
    export, rows = job.recipe.export, thinned(samples.transfer, TRANSFER)
    transfer = feed(job, samples, distill.preprocessing).plain(rows).numpy()
    record = stage.run(
        folder,
        teacher=stage.Teacher(teacher, [(job.folder(name), job.read(name)) for name in job.members("teacher")]),
        distilled=(job.folder("distill"), distill),
        inputs=stage.Inputs(
            student=inputs_of(job, samples, distill.preprocessing, "held_out"),
            teacher=inputs_of(job, samples, teacher.preprocessing, "held_out"),
            student_transfer=transfer,
            teacher_transfer=feed(job, samples, teacher.preprocessing).plain(rows).numpy(),
        ),
        bottleneck=choice(export.bottleneck),
        target=export.target,
        asked=expanded(export.formats, _deployed()),
        progress=job.progress,
    )
    record = precision.judge(
        folder,
        record,
        held_out={
            "student": labelled(job, samples, distill.preprocessing, "held_out"),
            "teacher": labelled(job, samples, teacher.preprocessing, "held_out"),
        },
        transfer=transfer,
        max_int8_drop=export.max_int8_drop,
    )
    if export.preprocess == "spec":
        return record
    held_out = samples.inputs[distill.preprocessing.input][samples.parts["held_out"]]
    return with_preprocessing.add(folder, record, canonical=held_out, layout=export.layout, target=export.target)


def _deployed() -> list[str]:
    return [name for name in installed.available() if name != ORACLE]


def choice(asked: recipe.Bottleneck) -> Choice:
    """What the recipe asks for, as the stage takes it."""
    from kdeploy.stages.export.low_rank import Rank

    return Rank(asked.rank, asked.tolerance) if isinstance(asked, recipe.Rank) else asked
