"""Statistics on plain numbers, from the nanoseconds of single calls to a speed-up with an interval.

    block value      the median of its calls
    replicate value  d_r = median over blocks of log(baseline block / candidate block)
    speed-up         exp(median over replicates of d_r)
    its interval     [x_(l), x_(u)] of the sorted d_r, where l is the largest rank with
                     1 - 2 P(Binomial(n, 1/2) < l) >= level, and u = n + 1 - l

The interval is the exact one for a median (David and Nagaraja, Order Statistics, 2003, section 7.1) and asks nothing of
the distribution. Replicates are the unit: calls of one process are not independent, so they are never resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from kdeploy.errors import ClaimError


@dataclass(frozen=True)
class Estimate:
    """A median with its interval; the bounds are None when there are too few values for the level."""

    value: float
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two bounds; None when there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def contains(self, value: float) -> bool:
        """Whether the interval contains a value; an interval that does not exist contains everything."""
        return self.low is None or self.high is None or self.low <= value <= self.high


def median_ranks(count: int, level: float) -> tuple[int, int] | None:
    """The ranks (from 1) of the order-statistic interval of a median, or None when no pair of ranks reaches the level.

    >>> [median_ranks(count, 0.99) for count in (7, 8, 12, 16, 24, 48)]
    [None, (1, 8), (2, 11), (3, 14), (6, 19), (15, 34)]
    """
    lower, outside, term = 0, 0, 1  # outside = the sum of C(count, i) for i < lower, of 2**count
    while lower < count // 2 and 2 * (outside + term) <= (1 - level) * 2**count:
        outside += term
        lower += 1
        term = term * (count - lower + 1) // lower
    return (lower, count + 1 - lower) if lower else None


def median_estimate(values: Sequence[float], level: float) -> Estimate:
    """The median of independent values and its order-statistic interval."""
    ordered = sorted(values)
    ranks = median_ranks(len(ordered), level)
    if ranks is None:
        return Estimate(median(ordered), None, None)
    return Estimate(median(ordered), ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def ratio_estimate(log_ratios: Sequence[float], level: float) -> Estimate:
    """The ratio whose logarithms were measured, one a replicate, with its interval."""
    logs = median_estimate(log_ratios, level)
    bounds = (None, None) if logs.interval is None else tuple(map(math.exp, logs.interval))
    return Estimate(math.exp(logs.value), *bounds)


def theil_sen(places: Sequence[float], values: Sequence[float], level: float) -> Estimate | None:
    """The median slope of all pairs of points, with Sen's interval; None without two places.

    The sorted slopes at ranks (N -/+ z sqrt(n (n - 1) (2 n + 5) / 18)) / 2 of N bound it (Sen 1968, Estimates of the
    Regression Coefficient Based on Kendall's Tau). The bounds are None when there are too few points for the level.
    """
    points = sorted(zip(places, values, strict=True))
    slopes = sorted(
        (after - before) / (later - earlier)
        for number, (earlier, before) in enumerate(points)
        for later, after in points[number + 1 :]
        if later > earlier
    )
    if not slopes:
        return None
    count = len(points)
    spread = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lower = math.floor((len(slopes) - spread) / 2)
    if lower < 1:
        return Estimate(median(slopes), None, None)
    return Estimate(median(slopes), slopes[lower - 1], slopes[-lower])


def relative_half_width(estimate: Estimate) -> float | None:
    """Half the width of a ratio's interval, on the logarithmic scale: 0.02 reads as 2 %."""
    return None if estimate.interval is None else math.log(estimate.interval[1] / estimate.interval[0]) / 2


def block_value(samples_ns: Sequence[int]) -> float:
    """The median call of a block.

    Raises: ClaimError when the clock stood still or went backwards.
    """
    value = median(samples_ns)
    if value <= 0:
        raise ClaimError(
            "timer",
            "must advance during a call",
            got=f"the median call of a block took {value:g} ns",
            advice="Measure on a machine whose clock is steady.",
        )
    return value


def replicate_log_ratio(baseline: Sequence[float], candidate: Sequence[float]) -> float:
    """The log ratio d_r of one replicate, from its block values in the order of its blocks; above 0 the candidate is
    faster."""
    return median(math.log(slow) - math.log(fast) for slow, fast in zip(baseline, candidate, strict=True))


def median_absolute_deviation(values: Sequence[float]) -> float:
    """median |x - median(x)|."""
    centre = median(values)
    return median(abs(value - centre) for value in values)


def percentile(samples: Sequence[int], fraction: float) -> int:
    """The nearest-rank percentile: the smallest sample with at least this fraction at or below it."""
    rank = max(1, math.ceil(fraction * len(samples) - 1e-9))
    return sorted(samples)[rank - 1]
