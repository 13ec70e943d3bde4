"""The headline of a run, what a reader should know after ten seconds: four figures and one sentence.

With bounds and not with hopes.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy.formatting import numbers
from kdeploy.formatting.numbers import (
    DASH,
    TIMES,
    megabytes,
    percent,
    points_interval,
    ratio_interval,
    several,
    signed_points,
)
from kdeploy.formatting.ratios import low_bound
from kdeploy.formatting.sentences import sentence_case
from kdeploy.records.report import BenchRow, Summary

CLAIMING = frozenset({"supported", "indicative"})


@dataclass(frozen=True)
class Tile:
    """One figure at the top; `tone` is `good`, `bad` or empty."""

    label: str
    figure: str
    detail: str
    tone: str = ""


def tiles(summary: Summary) -> tuple[Tile, ...]:
    """The tiles on speed, accuracy, size and the gate."""
    return (_speed_tile(summary.bench), _accuracy_tile(summary), _size_tile(summary), _gate_tile(summary))


@dataclass(frozen=True)
class Mark:
    """A word on how one thing stands; `tone` is `yes`, `no` or empty."""

    text: str
    tone: str = ""


def marks(summary: Summary) -> tuple[Mark, ...]:
    """How a run stands, at a glance: its verdict, its gate, its claim on speed, its bundle."""
    return (
        _verdict_mark(summary),
        _gate_mark(summary),
        _speed_mark(summary.bench),
        Mark("bundle", "yes") if summary.bundle else Mark("no bundle"),
    )


def _verdict_mark(summary: Summary) -> Mark:
    if summary.verdict.difference is None:
        return Mark("no verdict")
    status = summary.verdict.status
    return Mark(f"verdict: {status.lower()}", {"BETTER": "yes", "WORSE": "no"}.get(status, ""))


def _speed_mark(rows: tuple[BenchRow, ...]) -> Mark:
    if claimed(rows):
        return Mark("faster", "yes")
    return Mark("no claim on speed" if rows else "not timed")


def _gate_mark(summary: Summary) -> Mark:
    if not summary.gate:
        return Mark("no gate")
    passed = all(result.passed for result in summary.gate)
    return Mark("gate passed", "yes") if passed else Mark("gate failed", "no")


def sentence(summary: Summary) -> str:
    """Speed, accuracy and size in one sentence, the price included."""
    clauses = (_speed_clause(summary.bench), _accuracy_clause(summary), _size_clause(summary))
    return f"The student is {clauses[0]}, {clauses[1]}, and {clauses[2]}."


def claimed(rows: tuple[BenchRow, ...]) -> list[BenchRow]:
    """The rows in which the student is shown to be faster."""
    return [row for row in rows if row.status in CLAIMING and row.low is not None and row.low > 1]


def verdict_sentence(summary: Summary) -> str:
    """A sentence on what the teacher was good for: the verdict."""
    verdict = summary.verdict
    if summary.gap is None:
        return "Whether the teacher helped is not known: nothing is labelled."
    if verdict.difference is None:
        return "Whether the teacher helped is not known: there is no baseline to compare with."
    points = numbers.points(abs(100 * verdict.difference))
    if verdict.seeds_interval is None:
        side = "below" if verdict.difference < 0 else "above"
        return (
            f"Too few seeds to say whether distillation helped: {points} {side} the same network trained without a "
            "teacher."
        )
    return {
        "BETTER": f"Distillation helped: {points} above the same network trained without a teacher.",
        "WORSE": f"Distillation did harm: {points} below the same network trained without a teacher.",
        "NO EVIDENCE": "No evidence that distillation helped: the difference may be chance.",
    }[verdict.status]


def _speed_clause(rows: tuple[BenchRow, ...]) -> str:
    shown = claimed(rows)
    if not rows:
        return "not timed"
    if not shown:
        return "not shown to be faster than its teacher"
    least = min(row.low for row in shown if row.low is not None)
    where = "" if len(shown) == len(rows) else f" in {len(shown)} of {several(len(rows), 'setting')} timed"
    return f"at least {low_bound(least)}{TIMES} as fast as its teacher{where}"


def _accuracy_clause(summary: Summary) -> str:
    """The accuracy in words. A difference is claimed only when its interval excludes 0; else the far end bounds it."""
    if summary.gap is None or summary.drop_points is None:
        if summary.outputs != "classes":
            return f"in agreement with it by {percent(summary.agreement.value)}"
        return f"in agreement with it on {percent(summary.agreement.value)} of the test inputs"
    low, high = (100 * end for end in summary.gap.inputs_interval)
    metric = summary.kind.metric
    if low <= 0 <= high:
        return f"within {numbers.points(max(-low, high))} of its {metric}"
    points = numbers.points(abs(summary.drop_points))
    if summary.outputs != "classes":
        return f"{points} of {metric} {'below' if summary.drop_points > 0 else 'above'} it"
    return f"{points} {'less' if summary.drop_points > 0 else 'more'} accurate"


def _size_clause(summary: Summary) -> str:
    times = _size_ratio(summary)
    return f"{numbers.size_ratio(times)} its size" if times >= 0.01 else "less than a hundredth of its size"


def _size_ratio(summary: Summary) -> float:
    """Bytes of the shipped student per byte of the teacher."""
    return summary.student.bytes / summary.teacher.bytes


def _speed_tile(rows: tuple[BenchRow, ...]) -> Tile:
    shown = claimed(rows)
    if not shown:
        return Tile("Speed-up", DASH, "no claim" if rows else "not timed")
    weakest = min(shown, key=lambda row: row.low or 0.0)
    assert weakest.low is not None
    interval = ratio_interval(weakest.low, weakest.high)
    unproved = len(rows) - len(shown)
    note = f"; no claim in {several(unproved, 'other setting')}" if unproved else ""
    detail = f"{weakest.runtime}, {interval}{note}"
    return Tile("Speed-up, at least", f"{low_bound(weakest.low)}{TIMES}", detail, "good")


def _accuracy_tile(summary: Summary) -> Tile:
    if summary.gap is None:
        agreement, interval = summary.agreement, " to ".join(map(percent, summary.agreement.interval))
        detail = (
            f"of {several(agreement.inputs, 'test input')}; {numbers.share(agreement.level, 0)} interval {interval}"
        )
        return Tile("Agreement with the teacher", percent(agreement.value), detail)
    against = f"{percent(summary.student.test_accuracy)} against {percent(summary.teacher.test_accuracy)}"
    detail = f"{against}; {numbers.share(summary.gap.level, 0)} interval {points_interval(summary.gap.inputs_interval)}"
    return Tile(
        f"{sentence_case(summary.kind.metric)}, beside the teacher's",
        f"{signed_points(summary.gap.difference)} points",
        detail,
    )


def _size_tile(summary: Summary) -> Tile:
    detail = f"{megabytes(summary.student.bytes)} against {megabytes(summary.teacher.bytes)}"
    return Tile("File, beside the teacher's", numbers.size_ratio(_size_ratio(summary)), detail)


def _gate_tile(summary: Summary) -> Tile:
    if not summary.gate:
        return Tile("Gate", "none", "the recipe asks for nothing")
    failed = [result.key for result in summary.gate if not result.passed]
    if failed:
        return Tile("Gate", "failed", " and ".join(failed) + " not met", "bad")
    return Tile("Gate", "passed", " and ".join(result.key for result in summary.gate) + " met", "good")
