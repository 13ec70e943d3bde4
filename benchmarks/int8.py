"""What int8 costs and gains: accuracy, agreement, bytes and latency, into RESULTS.md: `python benchmarks/int8.py`.

The networks of a recipe, as exported: the student, the same network trained on labels alone (for accuracy), and the
teacher. On onnxruntime, and on openvino where nncf is here. Accuracy and agreement are on all test inputs. Each of the
two that are timed is compared with itself in fp32, and the student with the teacher, both in int8.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sections

from kdeploy import api
from kdeploy.formatting.ratios import interval_text, ratio_text
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.bench import Arm, BenchRecord, Comparison, Quality
from kdeploy.records.precision import Cost
from kdeploy.samples.feed import plain_inputs
from kdeploy.stages.bench import DISTINCT_INPUTS
from kdeploy.system import host
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process
from kdeploy.verbs.prepare import Options

BATCHES = (1, 64)
TIMED = ("student", "teacher")
PAIRS = (  # the second should be the faster
    ("student fp32", "student int8"),
    ("teacher fp32", "teacher int8"),
    ("teacher int8", "student int8"),
)
LEAST_AGREEMENT = 0.99  # asked of the student on onnxruntime
NAMES = {"student": "student", "baseline": "same net on labels alone", "teacher": "teacher"}


class Speed(NamedTuple):
    """One comparison: `ratio` is how many times faster the second is; None where it could not be measured."""

    first: str
    second: str
    runtime: str
    batch: int
    bytes: tuple[int, int]
    times_ns: tuple[int | None, int | None]
    ratio: float | None
    interval: tuple[float, float] | None
    status: str


def main() -> None:
    parser = argparse.ArgumentParser(description="What int8 costs and gains beside fp32.")
    parser.add_argument("--recipe", default="recipes/mnist-5k.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--replicates", type=int, default=12, help="process pairs; a supported claim needs 12")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES)
    options = parser.parse_args()
    runtimes = ["onnxruntime", *(["openvino"] if importlib.util.find_spec("nncf") else [])]
    job = exported(options.recipe, options.runs, runtimes)
    costs = [cost for cost in job.read(VERIFY).costs if cost.format.endswith(":int8")]
    settings = Settings.quick().model_copy(update={"looks": (options.replicates,)})
    record = measured(job, runtimes, settings, costs, options.batch)
    name = Path(options.recipe).stem
    sections.replace(f"int8-{name}", written(name, costs, speeds(record), options.replicates))


def exported(recipe: str, runs: Path, runtimes: Sequence[str]) -> Job:
    """The networks of a recipe in fp32 and int8, verified; under another name, so that the recipe's own run stays.

    Without the guard: what is asked here is what int8 costs, and one that costs too much would be kept back.
    """
    formats = ["onnx", *(name for name in runtimes if name != "onnxruntime"), *(f"{name}:int8" for name in runtimes)]
    overrides = (
        *(f"name={Path(recipe).stem}-int8", f"export.formats=[{', '.join(formats)}]"),
        "export.max_int8_drop=100",
    )
    return api.run(recipe, Options(runs=runs, overrides=overrides), upto="verify")


def measured(
    job: Job, runtimes: Sequence[str], settings: Settings, costs: Sequence[Cost], batches: Sequence[int]
) -> BenchRecord:
    with tempfile.TemporaryDirectory() as place:
        comparisons = []
        for runtime in runtimes:
            requests = arms(
                job,
                Path(place),
                runtime,
                [cost for cost in costs if cost.model in TIMED and cost.format == f"{runtime}:int8"],
            )
            comparisons += [
                ComparisonRequest(baseline=requests[first], candidate=requests[second], runtime=runtime, batch=batch)
                for first, second in PAIRS
                for batch in batches
                if first in requests and second in requests
            ]
        return run_in_fresh_process(Request(comparisons=tuple(comparisons), settings=settings), Path(place))


def arms(job: Job, folder: Path, runtime: str, costs: Sequence[Cost]) -> dict[str, ArmRequest]:
    """These models in both precisions, by name; the name has the precision, so that a claim may be made of it."""
    requests = {}
    for cost in costs:
        samples, files = job.samples(), job.read(EXPORT).files(job.folder(EXPORT), cost.model)
        spec = (job.read(TEACHER) if cost.model == "teacher" else job.read(DISTILL)).preprocessing
        inputs, hash_ = folder / f"{cost.model}.npz", job.read(SAMPLES).sample_hash
        np.savez(
            inputs,
            allow_pickle=False,
            **{spec.input: plain_inputs(samples, spec, samples.parts["test"][:DISTINCT_INPUTS])},
        )
        for precision, key, accuracy in (("fp32", runtime, cost.fp32), ("int8", cost.format, cost.accuracy)):
            name = f"{cost.model} {precision}"
            quality = Quality(metric="top1", value=accuracy, n=cost.inputs, dataset_sha256=hash_)
            requests[name] = ArmRequest(model=name, artefact=files[key], inputs=inputs, quality=quality)
    return requests


def speeds(found: BenchRecord) -> list[Speed]:
    return [_speed(one, found.arm(one.baseline), found.arm(one.candidate)) for one in found.comparison]


def _speed(one: Comparison, first: Arm, second: Arm) -> Speed:
    return Speed(
        first.model,
        second.model,
        one.runtime,
        one.batch,
        (first.artifact.bytes, second.artifact.bytes),
        (_median(first), _median(second)),
        one.ratio.value if one.ratio else None,
        one.ratio.ci if one.ratio else None,
        one.claim.status,
    )


def _median(arm: Arm) -> int | None:
    return arm.latency_ns.median.value if arm.latency_ns else None


def written(name: str, costs: Sequence[Cost], timed: Sequence[Speed], replicates: int) -> list[str]:
    """The section of RESULTS.md."""
    versions = host.library_versions(("onnxruntime", "openvino", "nncf", "numpy"))
    accuracies = ("net", "format", "test inputs", "agreement", "fp32", "int8", "drop, points", "calibrated on")
    latencies = ("nets", "runtime", "batch", "bytes", "us", "speed-up", "99 % interval", "status")
    return [
        f"## {name} in int8",
        "",
        f"- command: `python benchmarks/int8.py --recipe recipes/{name}.yaml`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, one thread; {host.os_name()}",
        f"- versions: {sections.versions(versions)}",
        "",
        "### Accuracy",
        "",
        *sections.table(accuracies, map(accuracy_cells, costs)),
        *verdict(costs),
        "### Bytes and latency",
        "",
        f"Of the first net and of the second: medians of {replicates} process pairs; speed-up is first / second.",
        "",
        *sections.table(latencies, map(latency_cells, timed))[:-1],
    ]


def accuracy_cells(cost: Cost) -> tuple[str, ...]:
    shares = (f"{share:.2%}" for share in (cost.agreement, cost.fp32, cost.accuracy))
    return (
        NAMES[cost.model],
        cost.format,
        f"{cost.inputs:,}",
        *shares,
        f"{cost.drop_points:+.2f}",
        str(cost.calibration),
    )


def latency_cells(row: Speed) -> tuple[str, ...]:
    sizes = " / ".join(f"{size:,}" for size in row.bytes)
    times = " / ".join("-" if time is None else f"{time / 1e3:.1f}" for time in row.times_ns)
    ratio = "-" if row.ratio is None else ratio_text(row.ratio)
    interval = "-" if row.interval is None else interval_text(*row.interval)
    return f"{row.first} / {row.second}", row.runtime, str(row.batch), sizes, times, ratio, interval, row.status


def verdict(costs: Sequence[Cost]) -> list[str]:
    """Does the student agree as asked, and what is left of what distillation gained?"""
    by_format = {(cost.model, cost.format): cost for cost in costs}
    lines = []
    for (model, format_), cost in by_format.items():
        if (model, format_) == ("student", "onnxruntime:int8"):
            met = "Met" if cost.agreement >= LEAST_AGREEMENT else "NOT MET"
            lines += [f"Asked: the student on onnxruntime agrees with fp32 on {LEAST_AGREEMENT:.0%}. {met}.", ""]
        other = by_format.get(("baseline", format_))
        if model == "student" and other is not None:
            before, after = 100 * (cost.fp32 - other.fp32), 100 * (cost.accuracy - other.accuracy)
            gained = f"{before:+.2f} points before int8, {after:+.2f} after"
            lines += [f"Student over the same net on labels alone, {format_}: {gained}.", ""]
    return lines


if __name__ == "__main__":
    main()
