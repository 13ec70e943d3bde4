"""Students of several families on the same labels: accuracy, bytes and latency in fp32 and int8, into RESULTS.md.

    python benchmarks/families.py recipes/mnist-5k.yaml recipes/mnist-5k-compact.yaml

The recipes differ in their students alone, so that teacher and labels are shared. Each student is exported in fp32 and
int8 and verified; on onnxruntime, and on openvino (int8 where nncf is here) each is timed against the teacher in fp32,
and against the first recipe's student in its own precision.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import int8
import sections

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.distill import accuracies_of, mean_accuracy
from kdeploy.system import host
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process

RUNTIMES = ("onnxruntime", "openvino")
TEACHER = "teacher fp32"


class Family(NamedTuple):
    """A recipe's name, and its networks as they were exported."""

    name: str
    job: Job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--replicates", type=int, default=12, help="process pairs; a supported claim needs 12")
    options = parser.parse_args()
    runtimes = [name for name in RUNTIMES if name == "onnxruntime" or importlib.util.find_spec("nncf")]
    families = [Family(Path(path).stem, int8.exported(path, options.runs, runtimes)) for path in options.recipes]
    settings = Settings.quick().model_copy(update={"looks": (options.replicates,)})
    timed = measured(families, runtimes, settings)
    name = "-".join(("families", families[0].name))
    sections.replace(name, written(families, timed, options.recipes, options.replicates))


def measured(families: Sequence[Family], runtimes: Sequence[str], settings: Settings) -> list[int8.Speed]:
    with tempfile.TemporaryDirectory() as place:
        comparisons = [one for runtime in runtimes for one in compared(families, Path(place), runtime)]
        return int8.speeds(
            run_in_fresh_process(Request(comparisons=tuple(comparisons), settings=settings), Path(place))
        )


def compared(families: Sequence[Family], place: Path, runtime: str) -> Iterator[ComparisonRequest]:
    """Each student against the teacher, then each against the first one, in both precisions."""
    arms = [_arms(family, place / runtime / family.name, runtime) for family in families]
    teacher = arms[0][TEACHER]
    for family, requests in zip(families, arms, strict=True):
        for precision in ("fp32", "int8"):
            yield ComparisonRequest(
                baseline=teacher, candidate=requests[f"{family.name} {precision}"], runtime=runtime, batch=1
            )
    for precision, number in itertools.product(("fp32", "int8"), range(1, len(families))):
        first, other = (arms[one][f"{families[one].name} {precision}"] for one in (0, number))
        yield ComparisonRequest(baseline=first, candidate=other, runtime=runtime, batch=1)


def _arms(family: Family, place: Path, runtime: str) -> dict[str, ArmRequest]:
    """The networks of a recipe by name, its students under the recipe's."""
    place.mkdir(parents=True)
    costs = [cost for cost in family.job.read(VERIFY).costs if cost.format == f"{runtime}:int8"]
    found = int8.arms(family.job, place, runtime, [cost for cost in costs if cost.model in int8.TIMED])
    renamed = {name.replace("student", family.name): request for name, request in found.items()}
    return {name: request.model_copy(update={"model": name}) for name, request in renamed.items()}


def written(
    families: Sequence[Family], timed: Sequence[int8.Speed], recipes: Sequence[str], replicates: int
) -> list[str]:
    """The section of RESULTS.md."""
    versions = host.library_versions(("torch", "onnxruntime", "openvino", "nncf", "numpy"))
    headings = ("student", "test accuracy", "per seed", "labels alone", "verdict", "parameters", "multiply-adds")
    latencies = ("nets", "runtime", "batch", "bytes", "us", "speed-up", "99 % interval", "status")
    return [
        f"## Families of students, {families[0].name}",
        "",
        f"- command: `python benchmarks/families.py {' '.join(recipes)}`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, one thread; {host.os_name()}",
        f"- versions: {sections.versions(versions)}",
        "",
        *sections.table(headings, map(student_cells, families)),
        *sections.table(("student", "format", "bytes", "test accuracy", "agreement with fp32"), _formats(families)),
        f"Of the first net and of the second: medians of {replicates} process pairs; speed-up is first / second.",
        "",
        *sections.table(latencies, map(int8.latency_cells, timed))[:-1],
    ]


def student_cells(family: Family) -> tuple[str, ...]:
    """The student of a recipe: means over its seeds."""
    record, model = family.job.read(DISTILL), family.job.read(EXPORT).student
    mean, alone = mean_accuracy(record.students), mean_accuracy(record.baselines)
    verdict = record.verdict
    gained = "-" if verdict.difference is None else f"{verdict.status} {100 * verdict.difference:+.2f}"
    return (
        family.name,
        _percent(mean),
        " ".join(f"{100 * one:.2f}" for one in accuracies_of(record.students)),
        _percent(alone),
        gained,
        f"{model.parameters:,}",
        f"{model.multiply_adds:,}",
    )


def _formats(families: Sequence[Family]) -> Iterator[tuple[str, ...]]:
    """What each student is in each format; the exported seed's."""
    for family in families:
        record = family.job.read(EXPORT)
        files = {"onnx": record.student.bytes} | {
            one.key: one.bytes for one in record.formats if one.model == "student" and one.refused is None
        }
        costs = {cost.format: cost for cost in family.job.read(VERIFY).costs if cost.model == "student"}
        exact = next(iter(costs.values())).fp32
        for key, size in files.items():
            cost = costs.get(key)
            quality, agreement = (exact, None) if cost is None else (cost.accuracy, cost.agreement)
            yield family.name, key, f"{size:,}", _percent(quality), _percent(agreement)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


if __name__ == "__main__":
    main()
