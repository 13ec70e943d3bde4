"""The noise of a run: what disturbed all its comparisons together, for the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kdeploy.records.base import Unavailable
from kdeploy.records.bench import Noise
from kdeploy.timing.analysis import noise
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import trend

FIELDS = {
    "steal": "noise.steal_fraction",
    "cpu wait": "noise.cpu_wait_fraction",
    "cpu pressure": "noise.psi_cpu_some",
    "cgroup throttling": "noise.throttled_ns",
}


def run_noise(measured: Sequence[MeasuredComparison], level: float) -> Noise:
    """The noise of a run: shares and counts over all blocks, and the strongest of the comparisons' trends."""
    blocks = [block for comparison in measured for block in comparison.blocks()]
    reasons = [block.void for block in blocks if block.void]
    throttled = [noise.change(block.counters, "throttled_ns") for block in blocks]
    durations = [duration for duration in throttled if duration is not None]
    trends = [drift for comparison in measured if (drift := trend(comparison.replicates, level)) is not None]
    return Noise(
        steal_fraction=noise.total_share(blocks, "steal_ns"),
        cpu_wait_fraction=noise.total_share(blocks, "wait_ns"),
        psi_cpu_some=noise.total_share(blocks, "pressure_ns"),
        throttled_ns=sum(durations) if durations else None,
        blocks_total=len(blocks),
        blocks_void=len(reasons),
        void_reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        trend_per_hour=max((drift.slope.value for drift in trends), key=abs, default=None),
        unobserved=(*noise.unobserved(blocks), *(() if trends else ("trend",)), "canary"),
    )


def not_observed(measured: Sequence[MeasuredComparison], figures: Noise) -> Iterator[Unavailable]:
    """The signals of `unobserved`, and the figures that are null for their sake, each with the reason."""
    blocks = [block for comparison in measured for block in comparison.blocks()]
    for signal, reason in noise.unobserved(blocks).items():
        yield Unavailable(field=FIELDS.get(signal, f"noise.unobserved.{signal}"), reason=reason)
    if figures.trend_per_hour is None:
        yield Unavailable(field="noise.trend_per_hour", reason="there are no two replicates to compare")
