"""Several runs in one record, from the summary of each or from the row of a sweep, with what does not compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from kdeploy.outputs.by_name import kind_of
from kdeploy.records.distill import accuracies_of
from kdeploy.records.report import AGREEMENT, Summary
from kdeploy.records.sweep import ComparedRun, ComparedRuns, ComparedTime, SweepRow


def of_runs(found: Sequence[tuple[Summary, str]]) -> ComparedRuns:
    """Runs side by side, each a summary and the fingerprint of its sample set."""
    return _compared([_of_summary(summary, samples) for summary, samples in found])


def of_sweep(rows: Sequence[SweepRow]) -> ComparedRuns:
    """The variants of a sweep side by side; they are neither exported nor timed."""
    return _compared([_of_row(row) for row in rows])


def metric(record: ComparedRuns) -> str:
    """What the runs are compared by: the quality of their outputs where all have labels, else agreement."""
    return quality(record) if all(run.accuracies for run in record.runs) else AGREEMENT


def quality(record: ComparedRuns) -> str:
    """What the quality of their outputs is called."""
    return f"test {' or '.join(dict.fromkeys(kind_of(run.outputs).metric for run in record.runs))}"


def qualities(run: ComparedRun, metric: str) -> tuple[float, ...]:
    """The quality of a run, one a seed."""
    return run.agreements if metric == AGREEMENT else run.accuracies


def best(record: ComparedRuns) -> ComparedRun:
    """The run whose students are the best in the mean; the first of those that are."""
    by = metric(record)
    return max(record.runs, key=lambda run: fmean(qualities(run, by)))


def quickest(record: ComparedRuns) -> tuple[ComparedRun, ComparedTime] | None:
    """The run with the shortest median of its student, in any setting that was not refused; None without any."""
    timed = [(run, time) for run in record.runs for time in run.times if time.student_ns and time.status != "refused"]
    return min(timed, key=lambda found: found[1].student_ns or 0, default=None)


def _compared(runs: list[ComparedRun]) -> ComparedRuns:
    return ComparedRuns(runs=tuple(runs), notes=tuple(_notes(runs)))


def _notes(runs: Sequence[ComparedRun]) -> Iterator[str]:
    if len({run.samples for run in runs}) > 1:
        yield "The runs have different sample sets: their accuracies need not be on the same test inputs."
    if len({run.outputs for run in runs}) > 1:
        yield "The runs have different kinds of outputs: their qualities do not compare."
    if len({run.teacher for run in runs}) > 1:
        yield "The runs have different teachers: each agreement is with the teacher of its own run."
    if len({run.host for run in runs if run.host}) > 1:
        yield "The runs were timed on different machines: their times do not compare."
    if sum(bool(run.times) for run in runs) > 1:
        yield (
            "Each run was timed by itself: that one student is faster than another is what was seen and no claim, "
            "which takes a benchmark of both."
        )
    yield "Whether one run is better than another was not tested: only each run against its own baseline was."


def _of_summary(summary: Summary, samples: str) -> ComparedRun:
    student, baseline = summary.student, summary.baseline
    columns = set(ComparedTime.model_fields)
    return ComparedRun(
        name=summary.name,
        teacher=summary.teacher.name,
        teacher_accuracy=summary.teacher.test_accuracy,
        accuracies=accuracies_of(student.per_seed),
        agreements=tuple(seed.test_agreement for seed in student.per_seed),
        baseline_accuracies=accuracies_of(baseline.per_seed) if baseline else (),
        verdict=summary.verdict.status if baseline else None,
        difference=summary.verdict.difference,
        gate=all(result.passed for result in summary.gate) if summary.gate else None,
        parameters=student.parameters,
        multiply_adds=student.multiply_adds,
        bytes=student.bytes,
        samples=samples,
        outputs=summary.outputs,
        host=summary.machine.host.id if summary.machine.host else None,
        times=tuple(ComparedTime(**row.model_dump(include=columns)) for row in summary.bench),
    )


def _of_row(row: SweepRow) -> ComparedRun:
    return ComparedRun(
        name=row.variant,
        teacher=row.teacher,
        teacher_accuracy=row.teacher_accuracy,
        accuracies=accuracies_of(row.students),
        agreements=tuple(network.test_agreement for network in row.students),
        baseline_accuracies=accuracies_of(row.baselines),
        verdict=row.verdict.status if row.baselines else None,
        difference=row.verdict.difference,
        gate=None,
        parameters=row.parameters,
        multiply_adds=None,
        bytes=None,
        samples=row.fingerprints["samples"],
        outputs=row.outputs,
        host=None,
        times=(),
    )
