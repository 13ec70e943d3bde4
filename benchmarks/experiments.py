"""Write experiments into benchmarks/RESULTS.md from their records: `python benchmarks/experiments.py RECIPE...`.

A recipe that did not run yet is run first; what is done is read. Every network of every seed is in the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import figure_epochs
import figure_size
import missing_classes
import numpy as np
import order
import sections

from kdeploy import api
from kdeploy.evaluation.verdict import LEAST_SEEDS, student_t_interval, wilson_interval
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.load import load
from kdeploy.records.sweep import SweepRow
from kdeploy.system import host
from kdeploy.verbs import sweep
from kdeploy.verbs.prepare import Options, prepare
from kdeploy.verbs.runs import read_index


def main(paths: Sequence[str]) -> None:
    for path in paths:
        loaded = load(Path(path))
        rows, more = swept(path) if loaded.recipe.variants else single(path)
        name = loaded.recipe.name
        figure = figure_epochs.lines(name, rows) or figure_size.lines(name, rows)
        sections.replace(name, [*head(path, name, rows), *results(rows), *figure, *curves(rows), *more])


def swept(path: str) -> tuple[Sequence[SweepRow], list[str]]:
    rows = api.sweep(path).rows
    jobs = {row.variant: done(path, row) for row in rows}
    return rows, [*teachers(jobs.values()), *order.lines(jobs)]


def done(path: str, row: SweepRow) -> Job:
    """A variant's job, all of whose stages that a sweep does are done."""
    job, _ = prepare(path, Options(variant=row.variant))
    job.prints = read_index(job.store.root / f"{row.run}.json").prints
    return job


def single(path: str) -> tuple[Sequence[SweepRow], list[str]]:
    job = api.run(path, upto="distill")
    return [sweep.row("", job)], [*teachers([job]), *missing_classes.lines(job), *ensemble(job)]


def teachers(jobs: Iterable[Job]) -> list[str]:
    """The accuracy of each teacher that was trained here, and how long that took."""
    records = {job.folder(name): job.read(name) for job in jobs for name in job.members(TEACHER)}
    lines = []
    for record in records.values():
        if record.training is not None:
            wrong, on = f"{1 - record.test_accuracy:.2%} errors", record.software
            took = f"{record.training.steps:,} steps in {duration(record.training.duration_ns)}"
            lines += [
                f"- teacher {record.name}: {wrong}; {took} on {on.device}, {on.threads} thread(s), {on.precision}"
            ]
    return [*lines, ""] if lines else []


def ensemble(job: Job) -> list[str]:
    """How much of the gain of several teachers over one of them the student keeps."""
    teacher, students = job.read(TEACHER), job.read(DISTILL).students
    if teacher.ensemble is None:
        return []
    test = job.read(SAMPLES).counts["test"]
    alone = [round((1 - member.test_accuracy) * test) for member in teacher.ensemble.members]
    together = round((1 - teacher.test_accuracy) * test)
    student = fmean(round((1 - network.test_accuracy) * test) for network in students)
    each = " ".join(map(str, alone))
    return [
        f"One of the {len(alone)} teachers alone: {fmean(alone):.1f} ({each}); together {together}; "
        f"one student: {student:.1f}. It {keeps(fmean(alone), together, student)}.",
        "",
    ]


def keeps(alone: float, together: float, student: float) -> str:
    """The share of the gain that the student has, by errors, in words."""
    if student > alone:
        return "is not as good as one of them"
    gain = alone - together
    return f"keeps {(alone - student) / gain:.0%} of the ensemble's gain" if gain > 0 else "has no gain to keep"


def head(path: str, name: str, rows: Sequence[SweepRow]) -> list[str]:
    software = rows[0].software
    verb = "sweep" if rows[0].variant else "distill"
    return [
        f"## {name}",
        "",
        f"- command: `kdeploy {verb} {path}`, then `python benchmarks/experiments.py {path}`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, {host.os_name()}; trained on "
        f"{software.device}, {software.threads} thread(s), {software.precision}",
        f"- versions: {sections.versions(software.versions)}",
        "",
    ]


def results(rows: Sequence[SweepRow]) -> list[str]:
    headings = (
        "variant",
        "teacher",
        "student, mean",
        "each seed",
        "on labels alone, mean",
        "each seed",
        "verdict",
        "time a net",
        f"against {rows[0].variant or 'itself'}",
    )
    cells = [
        (
            row.variant or "the recipe",
            str(row.errors(row.teacher_accuracy)),
            *row.errors_of(row.students),
            *row.errors_of(row.baselines),
            row.verdict.status if row.baselines else "-",
            duration(fmean(network.training.duration_ns for network in row.students)),
            against(row, rows[0]),
        )
        for row in rows
    ]
    compared = any(cell[-1] != "-" for cell in cells)
    chance = "Of twenty such intervals, one is expected to leave out 0 by chance."
    found = [f"Test errors of {rows[0].test_inputs:,}.", "", *sections.table(*told(headings, cells))]
    found += [chance, ""] if compared and len(rows) > 4 else []
    return [*found, *few_seeds(rows), *unmatched(rows)]


def told(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The columns that say something about any row."""
    kept = [place for place, column in enumerate(zip(*cells, strict=True)) if set(column) != {"-"}]
    return [headings[place] for place in kept], [[row[place] for place in kept] for row in cells]


def few_seeds(rows: Sequence[SweepRow]) -> list[str]:
    """Where there are too few seeds for an interval over them: what the test inputs alone leave open."""
    lines = []
    for row in rows:
        if len(row.students) < LEAST_SEEDS:
            accuracy = fmean(network.test_accuracy for network in row.students)
            low, high = wilson_interval(round(accuracy * row.test_inputs), row.test_inputs)
            gained, ends = row.verdict.difference, row.verdict.inputs_interval
            over = ""
            if gained is not None and ends is not None:
                over = f"; {100 * gained:+.2f} points ({100 * ends[0]:+.2f} to {100 * ends[1]:+.2f}) over labels alone"
            lines += [
                f"- {row.variant or 'the recipe'}, {row.parameters:,} parameters in training: {accuracy:.2%}, "
                f"over test inputs {low:.2%} to {high:.2%} at 95 %{over}"
            ]
    return [*lines, ""] if lines else []


def duration(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.0f} s" if nanoseconds < 100e9 else f"{nanoseconds / 60e9:.1f} min"


def against(row: SweepRow, first: SweepRow) -> str:
    """Errors more than the first variant's, by seed, with Student's interval at 95 % over the seeds."""
    pairs = zip(row.students, first.students, strict=False)
    more = np.array([row.errors(one.test_accuracy) - first.errors(other.test_accuracy) for one, other in pairs])
    interval = student_t_interval(more)
    if row is first or len(row.students) != len(first.students) or interval is None:
        return "-"
    low, high = interval
    word = "helps" if high < 0 else "harms" if low > 0 else "no evidence"
    return f"{more.mean():+.1f} [{low:+.1f}, {high:+.1f}] {word}"


def unmatched(rows: Sequence[SweepRow]) -> list[str]:
    """Students before their class prior was matched to the teacher's, where it was."""
    lines = []
    for row in rows:
        before = [network.unmatched_test_accuracy for network in row.students]
        counts = [row.errors(accuracy) for accuracy in before if accuracy is not None]
        if counts:
            each = " ".join(map(str, counts))
            lines += [f"{row.variant or 'Students'} before the prior was matched: {fmean(counts):.1f} ({each}).", ""]
    return lines


def curves(rows: Sequence[SweepRow]) -> list[str]:
    """The best epoch against the last, where the accuracy of each epoch was recorded."""
    cells = [
        (
            row.variant,
            role,
            str(network.seed),
            f"{100 * max(network.curve):.2f} ({network.curve.index(max(network.curve)) + 1})",
            f"{100 * network.curve[-1]:.2f} ({len(network.curve)})",
            f"{100 * (max(network.curve) - network.curve[-1]):.2f}",
        )
        for row in rows
        for role, group in (("student", row.students), ("on labels", row.baselines))
        for network in group
        if network.curve
    ]
    if not cells:
        return []
    headings = ("variant", "net", "seed", "best epoch, % (which)", "last epoch, % (which)", "points lost")
    return [
        "Test accuracy over the epochs of the transfer set; nothing is stopped early.",
        "",
        *sections.table(headings, cells),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
