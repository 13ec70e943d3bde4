"""A run as tables: accuracy and cost, verdict, speed, the form that shipped, parity, the gate."""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy.cli import output
from kdeploy.formatting import numbers
from kdeploy.formatting.ratios import interval_text, ratio_text
from kdeploy.records.distill import Verdict
from kdeploy.records.report import BaselineScore, BenchRow, Summary, TeacherScore

STATUS = {"refused": "no claim", "no_difference_shown": "no difference shown"}  # a status in words


def show(summary: Summary) -> None:
    """Print the results of a run."""
    for doubt in summary.doubts:
        output.line(f"WARNING: {doubt}")
    _models(summary)
    output.line(f"against the teacher: {_against_teacher(summary)}")
    for name, value in summary.teacher.others.items():
        output.line(f"{name}: {summary.student.others[name]:.4g}, of the teacher {value:.4g}")
    output.line(f"verdict: {verdict_words(summary.verdict)}")
    if summary.duplicates is not None and summary.duplicates.any:
        output.line(summary.duplicates.sentence)
    for line in summary.assumed:
        output.line(f"assumed: {line}")
    bottleneck = summary.bottleneck
    hint = {
        "factored": " To ship the fused form: --bottleneck fuse",
        "fused": " To ship the factored form: --bottleneck factored",
    }
    output.line(f"bottleneck: shipped {bottleneck.shipped} ({bottleneck.why}).{hint.get(bottleneck.shipped, '')}")
    speeds(summary.bench)
    failed = [row for row in summary.parity if not row.passed]
    output.line(f"parity: {len(summary.parity) - len(failed)} of {len(summary.parity)} comparisons within budget")
    for result in summary.gate:
        output.line(f"gate: {result.key} {'met' if result.passed else 'NOT MET'} ({result.text})")


def _against_teacher(summary: Summary) -> str:
    """The gap of quality; where nothing is labelled, the agreement."""
    gap, agreement = summary.gap, summary.agreement
    if gap is not None:
        interval = f"inputs {numbers.bounds_plain(gap.inputs_interval)} at {numbers.share(gap.level, 0)}"
        return f"{numbers.points_plain(gap.difference)} points, {interval}"
    low, high = (numbers.percent(end) for end in agreement.interval)
    if summary.outputs != "classes":
        inputs = numbers.several(agreement.inputs, "test input")
        agrees = summary.kind.agrees(numbers.percent(agreement.value), inputs)
        return f"it {agrees}, {low} to {high} at {numbers.share(agreement.level, 0)}"
    return (
        f"the same answer to {agreement.agreed} of {numbers.several(agreement.inputs, 'test input')}, "
        f"{numbers.percent(agreement.value)}, {low} to {high} at {numbers.share(agreement.level, 0)}"
    )


def _models(summary: Summary) -> None:
    rows = [_row(summary.teacher.name, "teacher", summary.teacher, "")]
    rows.append(
        _row("student", f"student, mean of {len(summary.student.per_seed)}", summary.student, _spread(summary.student))
    )
    if summary.baseline is not None:
        rows.append(_row("baseline", "same network on labels alone", summary.baseline, _spread(summary.baseline)))
    output.table(
        summary.name,
        ("", summary.metric, "per seed", "parameters", "multiply-adds", "size"),
        [row[1:] for row in rows],
    )


def _row(name: str, title: str, score: TeacherScore | BaselineScore, seeds: str) -> tuple[str, ...]:
    return (
        name,
        title,
        numbers.percent(score.quality),
        seeds,
        numbers.millions(score.parameters),
        "-" if score.multiply_adds is None else numbers.millions(score.multiply_adds),
        "-" if score.bytes is None else numbers.size(score.bytes),
    )


def _spread(score: BaselineScore) -> str:
    return " ".join(numbers.hundredths(seed.quality) for seed in score.per_seed)


def verdict_words(verdict: Verdict) -> str:
    """A verdict in words: `BETTER: +2.23 points, seeds [+1.70, +2.77], inputs [+1.60, +2.90] (95 %)`."""
    if verdict.difference is None:
        return f"{verdict.status} ({verdict.reason})"
    words = [f"{verdict.status}: {numbers.points_plain(verdict.difference)} points over the baseline"]
    for name, interval in (("seeds", verdict.seeds_interval), ("inputs", verdict.inputs_interval)):
        words.append(f"{name} {'-' if interval is None else numbers.bounds_plain(interval)}")
    return f"{', '.join(words)} at {numbers.share(verdict.level, 0)}; {verdict.reason}"


def speeds(rows: Sequence[BenchRow]) -> None:
    """Print the speed-ups as a table, and below it what weakens them."""
    if not rows:
        return
    headings = ("speed-up over the teacher", "", "interval", "pairs", "teacher", "student", "status")
    output.line("")
    output.table("", headings, map(_speed_row, rows))
    for row in rows:
        if row.reasons:
            output.line(f"{_setting(row)}: {STATUS.get(row.status, row.status)}: {'; '.join(row.reasons)}")


def _speed_row(row: BenchRow) -> tuple[str, ...]:
    """A setting with its figures; those of all blocks, void ones too, where none counts."""
    seen = row.seen
    ratio, teacher_ns, student_ns = row.ratio, row.teacher_ns, row.student_ns
    if ratio is None and seen is not None:
        ratio, teacher_ns, student_ns = seen.ratio, seen.baseline_ns, seen.candidate_ns
    return (
        _setting(row),
        "-" if ratio is None else f"{ratio_text(ratio)}x",
        "-" if row.low is None or row.high is None else interval_text(row.low, row.high),
        str(row.pairs),
        "-" if teacher_ns is None else numbers.fixed_milliseconds(teacher_ns),
        "-" if student_ns is None else numbers.fixed_milliseconds(student_ns),
        STATUS.get(row.status, row.status),
    )


def _setting(row: BenchRow) -> str:
    return f"{row.runtime}, batch {row.batch}, {numbers.several(row.threads, 'thread')}"
