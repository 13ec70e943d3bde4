"""Latency and throughput of one arm, from its calls, a list for each replicate.

    median            of the replicates' medians of block values, with its order-statistic interval
    percentile        of the calls of a replicate, by nearest rank; of an arm, the median over its replicates
    its interval      the order-statistic interval of that median (kdeploy.timing.analysis.statistics)
    early stopping    of n calls the t-th largest, where t is the largest with P(Binomial(n, 1 - p) <= t) <= 1 - c: with
                      confidence c the percentile p is not above it (MLPerf Inference, LoadGen `results.cc`)
    throughput        samples / total time of every replicate, and their median

Replicates are the unit here too. A bootstrap over them resamples the same twelve medians and covers less. The MLPerf
bound takes all calls as independent, which they are not: it is there to be compared with MLPerf's numbers, and for
nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median

from kdeploy.records.bench import Latency, Throughput, TimeEstimate
from kdeploy.timing.analysis.statistics import Estimate, median_absolute_deviation, median_estimate, percentile

PERCENTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}

METHOD = "order-stat/replicates"
CONFIDENCE = 0.99  # of the bound that MLPerf reports

Calls = Sequence[Sequence[int]]


def latency(blocks: Sequence[Sequence[float]], samples: Calls, level: float) -> Latency:
    """The latency of an arm: median, percentiles, MLPerf's bound, in ns.

    Args:
        blocks: the block values of each replicate.
        samples: the calls of each replicate that has any, in ns.
        level: of the intervals.
    """
    calls = sorted(ns for replicate in samples for ns in replicate)
    tail = {
        name: None
        if too_few(samples, fraction)
        else time_estimate(replicate_percentile(samples, fraction, level), level)
        for name, fraction in PERCENTILES.items()
    }
    return Latency(
        n_calls=len(calls),
        n_replicates=len(samples),
        mean=round(fmean(calls)),
        median=time_estimate(median_estimate([median(values) for values in blocks if values], level), level),
        min=calls[0],
        max=calls[-1],
        mad=round(median_absolute_deviation(calls)),
        mlperf_upper=mlperf_upper(calls),
        **tail,
    )


def mlperf_upper(ordered: Sequence[int]) -> dict[str, float | int] | None:
    """MLPerf's bounds by percentile, in ns, with the confidence `c`; None when there are too few calls for any.

    Args:
        ordered: all calls of the arm, sorted, in ns.
    """
    bounds = {name: early_stopping(ordered, fraction) for name, fraction in PERCENTILES.items()}
    reached: dict[str, float | int] = {name: bound for name, bound in bounds.items() if bound is not None}
    return reached | {"c": CONFIDENCE} if reached else None


def throughput(samples: Calls, batch: int, level: float) -> Throughput:
    """Samples a second, from the calls of each replicate in ns."""
    rate = median_estimate([len(calls) * batch * 1e9 / sum(calls) for calls in samples], level)
    return Throughput(value=rate.value, ci=rate.interval)


def left_out(samples: Calls) -> Iterator[tuple[str, str]]:
    """The percentiles that are null, each with the reason."""
    for name, fraction in PERCENTILES.items():
        if reason := too_few(samples, fraction):
            yield name, reason
    if mlperf_upper(sorted(ns for replicate in samples for ns in replicate)) is None:
        yield "mlperf_upper", "64 calls are the fewest for the 90th percentile"


def time_estimate(estimate: Estimate, level: float, *, method: str = METHOD) -> TimeEstimate:
    """An estimate in whole nanoseconds, as a record has it."""
    bounds = estimate.interval
    return TimeEstimate(
        value=round(estimate.value),
        ci=None if bounds is None else (round(bounds[0]), round(bounds[1])),
        level=level,
        method=method,
    )


def replicate_percentile(replicates: Sequence[Sequence[int]], fraction: float, level: float) -> Estimate:
    """The median over replicates of their percentile, with its interval."""
    return median_estimate([percentile(samples, fraction) for samples in replicates], level)


def too_few(replicates: Sequence[Sequence[int]], fraction: float) -> str:
    """The reason for which a percentile is left out; empty where it is not.

    A replicate must hold 10 / (1 - fraction) calls, all of them together `calls_for_percentile`.
    """
    needed = round(10 / (1 - fraction))
    fewest = min(map(len, replicates), default=0)
    if fewest < needed:
        return f"a replicate has {fewest} calls and this percentile needs {needed}"
    total = sum(map(len, replicates))
    if total < calls_for_percentile(fraction):
        return f"there are {total} calls and this percentile needs {calls_for_percentile(fraction)}"
    return ""


def calls_for_percentile(fraction: float) -> int:
    """The least number of calls for a two-sided 95 % order-statistic interval of a percentile: 6, 29, 59, 299, 2995.

    The extremes cover it once fraction**n + (1 - fraction)**n <= 0.05.
    """
    count = max(1, math.floor(math.log(0.05) / math.log(max(fraction, 1 - fraction))))
    while fraction**count + (1 - fraction) ** count > 0.05:
        count += 1
    return count


def early_stopping(ordered: Sequence[int], fraction: float, confidence: float = CONFIDENCE) -> int | None:
    """The bound on a percentile of sorted calls that MLPerf reports; None when there are too few of them.

    >>> [early_stopping(range(calls), 0.9) for calls in (63, 64, 1000)]
    [None, 63, 922]
    """
    over = overlatency(len(ordered), fraction, confidence)
    return ordered[-over] if over >= 1 else None


def overlatency(count: int, fraction: float, confidence: float) -> int:
    """The largest t with P(Binomial(count, 1 - fraction) <= t) <= 1 - confidence; -1 where not even 0 is."""
    term, below, odds = count * math.log(fraction), 0.0, math.log((1 - fraction) / fraction)
    for over in range(count):
        below += math.exp(term)
        if below > 1 - confidence:
            return over - 1
        term += math.log((count - over) / (over + 1)) + odds
    return count - 1
