"""bench: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.inputs import artefacts, inputs_of
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import host_settings
from kdeploy.recipe.models import Bench
from kdeploy.records.base import Record
from kdeploy.system.host import allowed_cpus

FEWEST_REPLICATES = 8


def settings(job: Job) -> dict[str, Any]:
    return job.recipe.bench.model_dump(mode="json") | host_settings()


def run(job: Job, folder: Path) -> Record:
    import numpy as np

    from kdeploy.evaluation.accuracy import accuracy
    from kdeploy.pipeline import exported_student
    from kdeploy.records.bench import Quality
    from kdeploy.stages import bench as stage
    from kdeploy.timing.request import COLD_STARTS, Settings

    samples, teacher, distill, export = job.samples(), job.read("teacher"), job.read("distill"), job.read("export")
    hash_, tests = job.read("samples").sample_hash, len(samples.parts["test"])
    preprocessing = {"teacher": teacher.preprocessing, "student": distill.preprocessing}
    inputs = {name: inputs_of(job, samples, spec, "test") for name, spec in preprocessing.items()}
    logits = {
        "teacher": np.load(job.folder("teacher") / "test_logits.npy", allow_pickle=False),
        "student": exported_student.logits(job, inputs["student"]),
    }
    labels = samples.labels[samples.parts["test"]]
    contenders = {
        name: stage.Contender(
            name=name,
            onnx=job.folder("export") / f"{name}.onnx",
            inputs=inputs[name],
            expected=logits[name],
            quality=Quality(metric="top1", value=accuracy(logits[name], labels), n=tests, dataset_sha256=hash_),
            torch_flops=getattr(export, name).torch_flops,
            artefacts=artefacts(job, export, name),
        )
        for name in ("teacher", "student")
    }
    asked = job.recipe.bench
    looks = tuple(sorted({asked.replicates, 24, 48} if asked.replicates >= 12 else {asked.replicates}))
    return stage.run(
        folder,
        baseline=contenders["teacher"],
        candidate=contenders["student"],
        names=asked.runtimes,
        sizes=asked.sizes,
        brief=_brief(asked),
        settings=Settings(
            looks=looks,
            limit_ns=round(asked.max_seconds * 1e9),
            cold_starts=COLD_STARTS if asked.cold_start else 0,
            sustained_ns=round(asked.sustained * 1e9),
            energy=asked.energy,
        ),
        command=job.command,
        progress=job.progress,
    )


def _brief(asked: Bench) -> list[tuple[int, int]]:
    """Threads and batch of the throughputs that the comparisons do not show, on one thread and on all.

    Fewer replicates than an interval needs are a look at whether it runs: such a recipe gets none.
    """
    if asked.replicates < FEWEST_REPLICATES:
        return []
    every = sorted({1, len(allowed_cpus())})
    pairs = [(threads, batch) for batch in sorted({1, *asked.throughput}) for threads in every]
    return [pair for pair in pairs if pair not in asked.sizes] if asked.throughput else []
