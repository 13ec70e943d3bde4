"""What int8 costs and gains: accuracy, agreement and latency beside fp32, into RESULTS.md: `python benchmarks/int8.py`.

The nets of a recipe, as exported: the student, the same net trained on labels alone (for accuracy), and the teacher. On
onnxruntime, and on openvino where nncf is here. Accuracy and agreement are on all test inputs.
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

from kdeploy import api, machine
from kdeploy.pipeline import Job
from kdeploy.pipeline.inputs import artefacts, inputs_of
from kdeploy.records.bench import BenchRecord, Quality
from kdeploy.records.precision import Cost
from kdeploy.stages.bench import DISTINCT_INPUTS
from kdeploy.timing.fresh import run_in_fresh_process
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings

BATCHES = (1, 64)
TIMED = ("student", "teacher")
LEAST_AGREEMENT = 0.99  # asked of the student on onnxruntime
NAMES = {"student": "student", "baseline": "same net on labels alone", "teacher": "teacher"}


class Speed(NamedTuple):
    """One comparison: `ratio` is how many times faster int8 is; None where it could not be measured."""

    model: str
    runtime: str
    batch: int
    fp32_ns: int | None
    int8_ns: int | None
    ratio: float | None
    interval: tuple[float, float] | None
    status: str


def main() -> None:
    options = argparse.ArgumentParser(description="What int8 costs and gains beside fp32.")
    options.add_argument("--recipe", default="recipes/mnist-5k.yaml")
    options.add_argument("--runs", type=Path, default=Path("runs"))
    options.add_argument("--replicates", type=int, default=12, help="process pairs; a supported claim needs 12")
    asked = options.parse_args()
    runtimes = ["onnxruntime", *(["openvino"] if importlib.util.find_spec("nncf") else [])]
    job = exported(asked.recipe, asked.runs, runtimes)
    costs = [cost for cost in job.read("verify").costs if cost.format.endswith(":int8")]
    found = measured(job, runtimes, Settings.quick().model_copy(update={"looks": (asked.replicates,)}), costs)
    sections.replace("int8", written(Path(asked.recipe).stem, costs, speeds(found), asked.replicates))


def exported(recipe: str, runs: Path, runtimes: Sequence[str]) -> Job:
    """The nets of a recipe in fp32 and int8, verified; under another name, so that the recipe's own run stays.

    Without the guard: what is asked here is what int8 costs, and one that costs too much would be kept back.
    """
    formats = ["onnx", *(name for name in runtimes if name != "onnxruntime"), *(f"{name}:int8" for name in runtimes)]
    overrides = (
        *(f"name={Path(recipe).stem}-int8", f"export.formats=[{', '.join(formats)}]"),
        "export.max_int8_drop=100",
    )
    return api.run(recipe, api.Options(runs=runs, overrides=overrides), upto="verify")


def measured(job: Job, runtimes: Sequence[str], settings: Settings, costs: Sequence[Cost]) -> BenchRecord:
    with tempfile.TemporaryDirectory() as place:
        comparisons = tuple(
            comparison(job, Path(place), cost, runtime, batch)
            for runtime in runtimes
            for cost in costs
            for batch in BATCHES
            if cost.model in TIMED and cost.format == f"{runtime}:int8"
        )
        return run_in_fresh_process(Request(comparisons=comparisons, settings=settings), Path(place))


def comparison(job: Job, folder: Path, cost: Cost, runtime: str, batch: int) -> ComparisonRequest:
    """int8 against fp32 of one model; the arms are called by their precision, so that a claim may be made of it."""
    samples, files = job.samples(), artefacts(job, job.read("export"), cost.model)
    spec = job.read("teacher" if cost.model == "teacher" else "distill").preprocessing
    inputs, hash_ = folder / f"{cost.model}.npz", job.read("samples").sample_hash
    np.savez(inputs, allow_pickle=False, **{spec.input: inputs_of(job, samples, spec, "test")[:DISTINCT_INPUTS]})
    arms = [
        ArmRequest(
            model=f"{cost.model} in {precision}",
            artefact=files[key],
            inputs=inputs,
            quality=Quality(metric="top1", value=accuracy, n=cost.inputs, dataset_sha256=hash_),
        )
        for precision, key, accuracy in (("fp32", runtime, cost.fp32), ("int8", cost.format, cost.accuracy))
    ]
    return ComparisonRequest(baseline=arms[0], candidate=arms[1], runtime=runtime, batch=batch)


def speeds(found: BenchRecord) -> list[Speed]:
    return [
        Speed(
            found.arm(one.candidate).model.split()[0],
            one.runtime,
            one.batch,
            *(
                latency.median.value if (latency := found.arm(name).latency_ns) else None
                for name in (one.baseline, one.candidate)
            ),
            one.ratio.value if one.ratio else None,
            one.ratio.ci if one.ratio else None,
            one.claim.status,
        )
        for one in found.comparison
    ]


def written(name: str, costs: Sequence[Cost], timed: Sequence[Speed], replicates: int) -> list[str]:
    """The section."""
    versions = machine.library_versions(("onnxruntime", "openvino", "nncf", "numpy"))
    accuracies = ("net", "format", "test inputs", "agreement", "fp32", "int8", "drop, points", "calibrated on")
    latencies = ("net", "runtime", "batch", "fp32, us", "int8, us", "speed-up", "99 % interval", "status")
    return [
        "## int8",
        "",
        f"- command: `python benchmarks/int8.py`, of recipes/{name}.yaml",
        f"- machine: {machine.cpu_model()}, {machine.logical_cpus()} CPUs, one thread; {machine.os_name()}",
        f"- versions: {sections.versions(versions)}",
        "",
        "### Accuracy",
        "",
        *sections.table(accuracies, map(accuracy_cells, costs)),
        *verdict(costs),
        "### Latency: fp32 against int8",
        "",
        f"Medians of {replicates} process pairs; speed-up is fp32 / int8.",
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
    times = ("-" if time is None else f"{time / 1e3:.1f}" for time in (row.fp32_ns, row.int8_ns))
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    interval = "-" if row.interval is None else f"{row.interval[0]:.2f} to {row.interval[1]:.2f}"
    return row.model, row.runtime, str(row.batch), *times, ratio, interval, row.status


def verdict(costs: Sequence[Cost]) -> list[str]:
    """Does the student agree as asked, and what is left of what distillation gained?"""
    found = {(cost.model, cost.format): cost for cost in costs}
    lines = []
    for (model, format_), cost in found.items():
        if (model, format_) == ("student", "onnxruntime:int8"):
            met = "Met" if cost.agreement >= LEAST_AGREEMENT else "NOT MET"
            lines += [f"Asked: the student on onnxruntime agrees with fp32 on {LEAST_AGREEMENT:.0%}. {met}.", ""]
        other = found.get(("baseline", format_))
        if model == "student" and other is not None:
            before, after = 100 * (cost.fp32 - other.fp32), 100 * (cost.accuracy - other.accuracy)
            gained = f"{before:+.2f} points before int8, {after:+.2f} after"
            lines += [f"Student over the same net on labels alone, {format_}: {gained}.", ""]
    return lines


if __name__ == "__main__":
    main()
