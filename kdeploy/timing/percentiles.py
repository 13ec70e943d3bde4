"""Tails of latency: percentiles with an interval, and the bound that MLPerf would print.

    percentile        of the calls of a replicate, by nearest rank; of an arm, the median over its replicates
    its interval      the order-statistic interval of that median (kdeploy.timing.statistics)
    early stopping    of n calls the t-th largest, where t is the largest with P(Binomial(n, 1 - p) <= t) <= 1 - c: with
                      confidence c the percentile p is not above it (MLPerf Inference, LoadGen `results.cc`)

Replicates are the unit here too. A bootstrap over them resamples the same twelve medians and covers less. The MLPerf
bound takes all calls as independent, which they are not: it is there to be set beside MLPerf's numbers, and for nothing
else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdeploy.timing.statistics import Estimate, median_estimate

CONFIDENCE = 0.99


def percentile(samples: Sequence[int], fraction: float) -> int:
    """The nearest-rank percentile: the smallest sample with at least this fraction at or below it."""
    return sorted(samples)[_rank(len(samples), fraction) - 1]


def replicate_percentile(replicates: Sequence[Sequence[int]], fraction: float, level: float) -> Estimate:
    """The median over replicates of their percentile, with its interval."""
    return median_estimate([percentile(samples, fraction) for samples in replicates], level)


def too_few(replicates: Sequence[Sequence[int]], fraction: float) -> str:
    """Why there is no such percentile, or empty.

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
    """How many calls a two-sided 95 % order-statistic interval of a percentile needs: 6, 29, 59, 299, 2995.

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


def _rank(count: int, fraction: float) -> int:
    return max(1, math.ceil(fraction * count - 1e-9))
