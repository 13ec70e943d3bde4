"""From the calls of one arm, a list for each replicate, to its latency and throughput.

median        of the replicates' medians of block values, with its order-statistic interval
percentiles   `kdeploy.timing.percentiles`
throughput    samples / total time of every replicate, and their median
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from kdeploy.records.bench import Latency, Throughput, TimeEstimate
from kdeploy.timing.percentiles import CONFIDENCE, early_stopping, replicate_percentile, too_few
from kdeploy.timing.statistics import Estimate, median_absolute_deviation, median_estimate

PERCENTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}

METHOD = "order-stat/replicates"

Calls = Sequence[Sequence[int]]


def latency(blocks: Sequence[Sequence[float]], samples: Calls, level: float) -> Latency:
    """Args:
    blocks: the block values of each replicate.
    samples: the calls of each replicate that has any, in ns.
    """
    calls = sorted(ns for replicate in samples for ns in replicate)
    tail = {
        name: None if too_few(samples, fraction) else time(replicate_percentile(samples, fraction, level), level)
        for name, fraction in PERCENTILES.items()
    }
    return Latency(
        n_calls=len(calls),
        n_replicates=len(samples),
        mean=round(fmean(calls)),
        median=time(median_estimate([median(values) for values in blocks if values], level), level),
        min=calls[0],
        max=calls[-1],
        mad=round(median_absolute_deviation(calls)),
        mlperf_upper=mlperf_upper(calls),
        **tail,
    )


def mlperf_upper(ordered: Sequence[int]) -> dict[str, float | int] | None:
    """By percentile, with the confidence `c`; None when there are too few calls for any."""
    bounds = {name: early_stopping(ordered, fraction) for name, fraction in PERCENTILES.items()}
    found: dict[str, float | int] = {name: bound for name, bound in bounds.items() if bound is not None}
    return found | {"c": CONFIDENCE} if found else None


def throughput(samples: Calls, batch: int, level: float) -> Throughput:
    found = median_estimate([len(calls) * batch * 1e9 / sum(calls) for calls in samples], level)
    return Throughput(value=found.value, ci=found.interval)


def left_out(samples: Calls) -> Iterator[tuple[str, str]]:
    """The percentiles that are null, each with the reason."""
    for name, fraction in PERCENTILES.items():
        if reason := too_few(samples, fraction):
            yield name, reason
    if mlperf_upper(sorted(ns for replicate in samples for ns in replicate)) is None:
        yield "mlperf_upper", "64 calls are the fewest for the 90th percentile"


def time(estimate: Estimate, level: float) -> TimeEstimate:
    """In whole nanoseconds."""
    bounds = estimate.interval
    return TimeEstimate(
        value=round(estimate.value),
        ci=None if bounds is None else (round(bounds[0]), round(bounds[1])),
        level=level,
        method=METHOD,
    )
