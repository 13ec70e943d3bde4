"""Write a deployed run into benchmarks/RESULTS.md from its records: `python benchmarks/results.py mnist-5k`.

Every seed of the training is a matter of experiments.py, which has a section of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import sections
from sections import table

from kdeploy import api
from kdeploy.formatting.ratios import interval_text, ratio_text
from kdeploy.pipeline.bench import BENCH
from kdeploy.records.bench import BenchRecord
from kdeploy.records.distill import Verdict
from kdeploy.records.report import BenchRow, Summary
from kdeploy.verbs.prepare import Options, prepare
from kdeploy.verbs.runs import read_index


def main(name: str) -> None:
    options = Options(trust=True)
    job, _ = prepare(name, options)
    job.prints = read_index(job.store.root / f"{name}.json").prints
    bench = job.read(BENCH)
    summary = api.show(name, options)
    sections.replace(
        f"deployed-{name}", [*head(name, bench, summary), *models(summary), *speed(summary), *forms(summary)]
    )


def head(name: str, bench: BenchRecord, summary: Summary) -> list[str]:
    host, versions = bench.host, summary.machine.software.versions | summary.machine.runtimes
    virtual = {None: "virtualization unknown", "unknown": "virtualization unknown", "none": "not virtual"}.get(
        host.virtualization, f"virtual ({host.virtualization})"
    )
    return [
        f"## {name}, deployed",
        "",
        f"- command: `kdeploy run recipes/{name}.yaml`",
        f"- time: {bench.created}",
        f"- machine: {host.cpu_model}, {host.logical_cpus} CPUs, {virtual}, {host.os}",
        f"- versions: {sections.versions(versions)}",
        "",
    ]


def models(summary: Summary) -> list[str]:
    rows = [("teacher", summary.teacher, "")]
    for title, score in (("student, mean", summary.student), ("same net on labels alone, mean", summary.baseline)):
        if score is not None:
            rows.append((title, score, ", ".join(f"{seed.test_accuracy:.2%}" for seed in score.per_seed)))
    cells = [
        (
            title,
            f"{score.test_accuracy:.2%}",
            seeds,
            number(score.parameters),
            number(score.multiply_adds),
            number(score.bytes),
        )
        for title, score, seeds in rows
    ]
    verdict, gap = summary.verdict, summary.gap
    return [
        "### Accuracy and cost",
        "",
        *table(("net", "test accuracy", "each seed", "parameters", "multiply-adds", "bytes"), cells),
        f"Student over the same net on labels alone: {verdict.status}{shown(verdict)}.",
        f"Student against the teacher: {interval('test inputs', gap.inputs_interval)}.",
        f"Not covered: {verdict.not_covered}.",
        "",
    ]


def shown(verdict: Verdict) -> str:
    """The intervals that the verdict is from, or why there are none."""
    if verdict.seeds_interval is None and verdict.inputs_interval is None:
        return f", {verdict.reason}"
    seeds, inputs = interval("Seeds", verdict.seeds_interval), interval("test inputs", verdict.inputs_interval)
    return f". {seeds}; {inputs}, at {verdict.level:.0%}"


def number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def interval(name: str, ends: tuple[float, float] | None) -> str:
    return f"{name}: none" if ends is None else f"{name}: {100 * ends[0]:+.2f} to {100 * ends[1]:+.2f} points"


def speed(summary: Summary) -> list[str]:
    headings = (
        "runtime",
        "batch",
        "threads",
        "speed-up",
        "99 % interval",
        "pairs",
        "teacher, ms",
        "student, ms",
        "status",
    )
    rows = [
        (
            row.runtime,
            str(row.batch),
            str(row.threads),
            "-" if row.ratio is None else ratio_text(row.ratio),
            "-" if row.low is None or row.high is None else interval_text(row.low, row.high),
            str(row.pairs),
            *("-" if time is None else f"{time / 1e6:.4f}" for time in (row.teacher_ns, row.student_ns)),
            row.status,
        )
        for row in summary.bench
    ]
    return ["### Student against teacher: median latency", "", *table(headings, rows), *refusals(summary.bench)]


def refusals(rows: Sequence[BenchRow]) -> list[str]:
    """Why a ratio is no claim."""
    lines = [f"- {row.runtime}: {reason}" for row in rows if row.status == "refused" for reason in row.reasons]
    return [*lines, ""] if lines else []


def forms(summary: Summary) -> list[str]:
    bottleneck = summary.bottleneck
    rows = [
        (
            form.form,
            number(form.multiply_adds),
            number(form.bytes),
            "-" if form.latency_ns is None else f"{form.latency_ns / 1e6:.4f}",
        )
        for form in bottleneck.forms
    ]
    return [
        "### The bottleneck",
        "",
        f"Shipped {bottleneck.shipped}: {bottleneck.reason}.",
        "",
        *table(("form", "multiply-adds", "bytes", "latency on the target, ms"), rows)[:-1],
    ]


if __name__ == "__main__":
    main(sys.argv[1])
