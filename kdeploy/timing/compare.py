"""Comparison of two results: the same models, measured twice. Has anything changed?

    ratio = median latency of the first / that of the second, from the intervals of both: [low / high, high / low]

Refused (R14) when the machine, its kernel, a library, a model or the inputs differ, with the list. What is left is two
runs at two times, so whatever changed between them is in the ratio: an indication at most (R08). Each result is
computed again from its raw samples first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from kdeploy.formatting.ratios import interval_text
from kdeploy.records.bench import Arm, BenchRecord, Claim, Ratio, Reason, TimeEstimate
from kdeploy.records.bench_compare import ArmComparison, BenchCompareRecord, Difference
from kdeploy.timing.analysis.claims import headline
from kdeploy.timing.analysis.statistics import Estimate
from kdeploy.timing.recompute import recompute

METHOD = "ratio of two medians, from the ends of their intervals"
TWO_RUNS = "each result is one run: what changed between them is in the ratio"


def compare(first: Path, second: Path) -> BenchCompareRecord:
    """Compare the results of two folders.

    Raises: what `recompute` raises.
    """
    one, other = recompute(first), recompute(second)
    differences = tuple(differing(one, other))
    seconds = {arm.name: arm for arm in other.arms}
    arms = tuple(compared(arm, seconds[arm.name], differences) for arm in one.arms if arm.name in seconds)
    return BenchCompareRecord(first=str(first), second=str(second), differences=differences, arms=arms)


def differing(one: BenchRecord, other: BenchRecord) -> Iterator[Difference]:
    """The facts that two latencies must share to be comparable, where the two results differ in them."""
    facts, others = dict(_facts(one)), dict(_facts(other))
    for name in facts | others:
        if facts.get(name) != others.get(name):
            yield Difference(field=name, first=facts.get(name), second=others.get(name))


def _facts(record: BenchRecord) -> Iterator[tuple[str, str | None]]:
    yield "host.id", record.host.id
    yield "host.kernel", record.host.kernel
    yield "software.python", record.software.python
    for name, version in record.software.runtimes.items():
        yield f"software.runtimes.{name}", version
    yield from chain.from_iterable(map(_facts_of_arm, record.arms))


def _facts_of_arm(arm: Arm) -> Iterator[tuple[str, str]]:
    yield f"{arm.name}.artifact", arm.artifact.sha256
    yield f"{arm.name}.inputs", arm.workload.input_set_sha256
    for name, value in sorted(arm.runtime.options.items()):
        yield f"{arm.name}.{name}", value


def compared(first: Arm, second: Arm, differences: tuple[Difference, ...]) -> ArmComparison:
    """The medians of one arm in both results, their ratio, and what may be claimed from it."""
    one, other = (arm.latency_ns.median if arm.latency_ns else None for arm in (first, second))
    times = {"first_ns": one.value if one else None, "second_ns": other.value if other else None}
    if differences or one is None or other is None:
        reasons = tuple(Reason(code="R14", text=_difference_text(difference)) for difference in differences)
        reasons = reasons or (Reason(code="R09", text="one of them has no block that counts"),)
        text = f"not comparable: {'; '.join(reason.text for reason in reasons)}"
        return ArmComparison(
            arm=first.name, ratio=None, claim=Claim(status="refused", text=text, reasons=reasons), **times
        )
    ratio = _ratio(one, other)
    pairs = min(arm.latency_ns.n_replicates for arm in (first, second) if arm.latency_ns)
    level = one.level or 0.99
    return ArmComparison(
        arm=first.name,
        ratio=Ratio(value=ratio.value, ci=ratio.interval, level=level, method=METHOD, n_pairs=pairs),
        claim=_claim(first.name, ratio),
        **times,
    )


def _difference_text(difference: Difference) -> str:
    first, second = difference.first or "none", difference.second or "none"
    return f"{difference.field} differs: {first} in the first, {second} in the second"


def _ratio(one: TimeEstimate, other: TimeEstimate) -> Estimate:
    if one.ci is None or other.ci is None:
        return Estimate(one.value / other.value, None, None)
    return Estimate(one.value / other.value, one.ci[0] / other.ci[1], one.ci[1] / other.ci[0])


def _claim(arm: str, ratio: Estimate) -> Claim:
    two_runs = Reason(code="R08", text=TWO_RUNS)
    if ratio.interval is not None and ratio.contains(1.0):
        text = f"no difference shown for {arm}: the interval {interval_text(*ratio.interval)} contains 1"
        reason = Reason(code="R06", text=f"the interval {interval_text(*ratio.interval)} contains 1")
        return Claim(status="no_difference_shown", text=text, reasons=(reason, two_runs))
    text = f"indication only: {arm} {headline(ratio)} in the second result than in the first"
    return Claim(status="indicative", text=text, reasons=(two_runs,))
