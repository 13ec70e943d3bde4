"""The gate: did the run meet what its recipe asks for?

    max_drop      100 x (teacher's test quality - mean over seeds of the students') <= max_drop, percentage points
    min_agreement 100 x (how far the exported student says what the teacher says) >= min_agreement; of classes that is
                  the share of test inputs
    min_speedup   the lower bound of the speed-up's interval >= min_speedup, on every runtime, batch and threads timed

A number that could not be measured does not meet a requirement; its reason stands in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from kdeploy.errors import GateError
from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.recipe.models import Gate
from kdeploy.records.bench import BenchRecord, Comparison
from kdeploy.records.distill import Agreement, DistillRecord, accuracies_of
from kdeploy.records.export import ExportRecord
from kdeploy.records.report import GateResult
from kdeploy.records.teacher import TeacherRecord

_WIDER = (
    "Make the student wider (student.hidden, student.bottleneck, or the widths of compact), raise distill.epochs, or"
)
_BETTER = f"{_WIDER} relax gate.max_drop."
_MORE_ALIKE = f"{_WIDER} relax gate.min_agreement."
_WITHOUT_LABELS = "Ask for gate.min_agreement instead of gate.max_drop."
_FASTER = (
    "Make the student narrower (student.conv.channels, student.bottleneck, student.hidden, or the widths of compact), "
    "or relax gate.min_speedup."
)
_TIMED_WELL = "Time it again on a quiet machine, raise bench.max_seconds, or remove gate.min_speedup."


def lost_accuracy(distill: DistillRecord, export: ExportRecord, bench: BenchRecord | None) -> float:
    """How much test accuracy a lower rank took from the exported student, as a fraction; 0 without one, or untimed."""
    if bench is None or export.bottleneck.shipped != "low-rank":
        return 0.0
    quality = next(arm.quality for arm in bench.arms if arm.role == "candidate")
    assert quality is not None
    return distill.chosen.quality - quality.value


def check_run(
    gate: Gate, teacher: TeacherRecord, distill: DistillRecord, export: ExportRecord, bench: BenchRecord | None
) -> tuple[GateResult, ...]:
    """One result a requirement of a recipe's gate, from the records of its run; `bench` is None when nothing was timed.

    What ships is judged: each seed would lose as much as the exported one did.
    """
    lost = lost_accuracy(distill, export, bench)
    students = [accuracy - lost for accuracy in accuracies_of(distill.students)]
    results = []
    if gate.max_drop is not None:
        results.append(
            check_drop(gate.max_drop, drop_points(teacher.test_accuracy, students), kind_of(distill.outputs))
        )
    if gate.min_agreement is not None:
        results.append(check_agreement(gate.min_agreement, distill.agreement, kind_of(distill.outputs)))
    if gate.min_speedup is not None:
        results.append(check_speedup(gate.min_speedup, bench.comparison if bench else ()))
    return tuple(results)


def raise_if_failed(results: Sequence[GateResult]) -> None:
    """Raises: GateError that says by how much each requirement was missed, and which recipe keys to change."""
    failed = [result for result in results if not result.passed]
    if failed:
        got = "; ".join(f"{result.key}: {result.text}" for result in failed)
        raise GateError("gate", "must be met", got=got, advice=" ".join(map(_advice, failed)))


def drop_points(teacher_accuracy: float | None, student_accuracies: Sequence[float]) -> float | None:
    """How far the students' mean is below the teacher, in percentage points; negative when above, None without labels.

    Accuracies are counts over a count: rounding at 1e-9 keeps 0.99 - 0.98 from being more than one point.

    >>> drop_points(0.99, [0.98])
    1.0
    """
    return None if teacher_accuracy is None else round(100 * (teacher_accuracy - fmean(student_accuracies)), 9)


def check_agreement(min_agreement: float, agreement: Agreement, kind: Kind = CLASSES) -> GateResult:
    """The result of `min_agreement`, in percent."""
    percent, (low, high) = round(100 * agreement.value, 9), (100 * end for end in agreement.interval)
    passed = percent >= min_agreement
    short = "at least" if passed else f"{min_agreement - percent:.4g} less than the"
    text = (
        f"{kind.agrees(f'{percent:.4g} %', f'{agreement.inputs} test inputs')} "
        f"({low:.4g} to {high:.4g} at {100 * agreement.level:g} %), {short} {min_agreement:g} asked"
    )
    return GateResult(key="min_agreement", required=min_agreement, measured=percent, passed=passed, text=text)


def check_drop(max_drop: float, drop: float | None, kind: Kind = CLASSES) -> GateResult:
    """The result of `max_drop`, in percentage points of the quality; a drop that nobody can know does not meet it."""
    if drop is None:
        text = f"nothing is labelled, so {kind.metric} is not known"
        return GateResult(key="max_drop", required=max_drop, measured=None, passed=False, text=text)
    passed = drop <= max_drop
    against = f"at most {max_drop:g} allowed" if passed else f"{drop - max_drop:.4g} more than the {max_drop:g} allowed"
    side = "below" if drop >= 0 else "above"
    size = f"{abs(drop):.4g} point" + ("" if abs(drop) == 1 else "s")
    text = f"{size} {side} the teacher, {against}"
    return GateResult(key="max_drop", required=max_drop, measured=drop, passed=passed, text=text)


def check_speedup(min_speedup: float, comparisons: Sequence[Comparison]) -> GateResult:
    """The result of `min_speedup`, the one requirement that can be checked before there is an accuracy."""
    bounds = [_lower_bound(comparison) for comparison in comparisons]
    values = [bound for bound in bounds if bound is not None]
    measured = min(values) if values and len(values) == len(bounds) else None
    shortfalls = [
        shortfall
        for comparison, bound in zip(comparisons, bounds, strict=True)
        if (shortfall := _shortfall(min_speedup, comparison, bound))
    ]
    if not comparisons:
        shortfalls = ["nothing was timed"]
    text = "; ".join(shortfalls) or f"lower bound {measured:.4g}x on every runtime timed, {min_speedup:g}x asked"
    return GateResult(key="min_speedup", required=min_speedup, measured=measured, passed=not shortfalls, text=text)


def _lower_bound(comparison: Comparison) -> float | None:
    if comparison.claim.status == "refused" or comparison.ratio is None or comparison.ratio.ci is None:
        return None
    return comparison.ratio.ci[0]


def _shortfall(min_speedup: float, comparison: Comparison, bound: float | None) -> str:
    """Why this comparison does not meet the requirement; empty when it does."""
    place = setting(comparison.runtime, comparison.batch, comparison.threads)
    if bound is None:
        reasons = [reason.text for reason in comparison.claim.reasons] or [comparison.claim.text]
        return f"no speed-up on {place}: {', '.join(reason.rstrip('.') for reason in reasons)}"
    if bound < min_speedup:
        return f"lower bound {bound:.4g}x on {place}, {min_speedup - bound:.4g}x short of the {min_speedup:g}x asked"
    return ""


def setting(runtime: str, batch: int, threads: int) -> str:
    """What a comparison was timed on, as `onnxruntime, batch 1, 1 thread`."""
    return f"{runtime}, batch {batch}, {threads} thread{'' if threads == 1 else 's'}"


def _advice(failed: GateResult) -> str:
    if failed.key == "max_drop":
        return _BETTER if failed.measured is not None else _WITHOUT_LABELS
    if failed.key == "min_agreement":
        return _MORE_ALIKE
    return _TIMED_WELL if failed.measured is None else _FASTER
