from __future__ import annotations

import itertools
import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import ClaimError
from kdeploy.timing.analysis import statistics

logs = st.lists(st.floats(-3, 3), min_size=8, max_size=30)
latencies = st.lists(st.integers(1_000, 10**9), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(0, None), (1, None), (7, None), (8, (1, 8)), (12, (2, 11)), (16, (3, 14)), (24, (6, 19)), (48, (15, 34))],
)
def test_ranks_of_the_99_percent_interval_are_those_of_the_binomial(count: int, ranks: tuple[int, int] | None) -> None:
    assert statistics.median_ranks(count, 0.99) == ranks


@given(st.integers(1, 200), st.floats(0.5, 0.999))
def test_ranks_reach_the_level_and_the_next_narrower_pair_does_not(count: int, level: float) -> None:
    def outside(lower: int) -> float:
        return 2 * sum(math.comb(count, below) for below in range(lower)) / 2**count

    ranks = statistics.median_ranks(count, level)
    lower = ranks[0] if ranks else 0
    assert ranks is None or outside(lower) <= 1 - level + 1e-12
    assert lower + 1 > count // 2 or outside(lower + 1) > 1 - level - 1e-12


def test_an_estimate_of_one_value_has_no_interval() -> None:
    estimate = statistics.median_estimate([3.0], 0.99)
    assert (estimate.value, estimate.interval) == (3.0, None)
    assert estimate.contains(1e9)
    assert statistics.relative_half_width(estimate) is None


def test_the_interval_of_twelve_values_leaves_the_extremes_out() -> None:
    estimate = statistics.median_estimate([float(value) for value in range(12)], 0.99)
    assert (estimate.value, estimate.interval) == (5.5, (1.0, 10.0))


def test_the_half_width_is_that_of_the_logarithm() -> None:
    estimate = statistics.Estimate(1.0, math.exp(-0.02), math.exp(0.02))
    assert statistics.relative_half_width(estimate) == pytest.approx(0.02, abs=1e-12)


@given(logs)
def test_swapping_the_arms_inverts_ratio_and_interval(values: list[float]) -> None:
    one = statistics.median_estimate(values, 0.99)
    other = statistics.median_estimate([-value for value in values], 0.99)
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)


@given(latencies, latencies)
def test_swapping_the_arms_negates_a_replicate_exactly(baseline: list[int], candidate: list[int]) -> None:
    count = min(len(baseline), len(candidate))
    one = statistics.replicate_log_ratio(baseline[:count], candidate[:count])
    assert statistics.replicate_log_ratio(candidate[:count], baseline[:count]) == -one


@given(latencies, st.integers(1, 1000))
def test_scaling_the_baseline_scales_the_ratio(baseline: list[int], factor: int) -> None:
    plain = statistics.replicate_log_ratio(baseline, [1_000] * len(baseline))
    scaled = statistics.replicate_log_ratio([value * factor for value in baseline], [1_000] * len(baseline))
    assert scaled - plain == pytest.approx(math.log(factor), abs=1e-9)


@given(logs, st.randoms(use_true_random=False))
def test_the_order_of_the_replicates_does_not_matter(values: list[float], generator: random.Random) -> None:
    shuffled = generator.sample(values, len(values))
    assert statistics.ratio_estimate(shuffled, 0.99) == statistics.ratio_estimate(values, 0.99)


def test_a_replicate_is_the_median_over_its_blocks() -> None:
    found = statistics.replicate_log_ratio([800.0, 400.0, 900.0], [100.0, 100.0, 100.0])
    assert found == math.log(800.0) - math.log(100.0)


@pytest.mark.parametrize("samples", [[0, 0, 5], [-3, -2, 10]])
def test_a_clock_that_does_not_advance_is_an_error(samples: list[int]) -> None:
    with pytest.raises(ClaimError) as caught:
        statistics.block_value(samples)
    assert str(caught.value) == (
        f"timer: must advance during a call (the median call of a block took {median(samples)} ns). "
        "Measure on a machine whose clock is steady."
    )


def test_the_median_absolute_deviation_of_a_worked_example() -> None:
    assert statistics.median_absolute_deviation([1, 1, 2, 2, 4, 6, 9]) == 1


@pytest.mark.parametrize("ratio", [1.0, 1.05, 3.0, 50.0])
def test_the_interval_covers_the_true_ratio_despite_process_effects_and_bursts(ratio: float) -> None:
    """400 runs of 12 replicates: sd 2.5 % between processes, 10 % of the replicates disturbed. Nominal 99 %."""
    generator, covered = random.Random(7), 0
    for _ in range(400):
        values = [
            math.log(ratio) + generator.gauss(0, 0.025) + (generator.random() < 0.1) * generator.choice([-0.2, 0.2])
            for _ in range(12)
        ]
        covered += statistics.ratio_estimate(values, 0.99).contains(ratio)
    assert covered >= 0.97 * 400


def test_the_slope_of_theil_and_sen_on_a_worked_example() -> None:
    """Slopes of (0, 1), (1, 2), (2, 2), (3, 10): 1, 0.5, 3, 0, 4, 8; too few points for an interval."""
    assert statistics.theil_sen((0, 1, 2, 3), (1, 2, 2, 10), 0.99) == statistics.Estimate(2.0, None, None)


def test_a_slope_needs_two_places() -> None:
    assert statistics.theil_sen((1, 1), (2, 3), 0.99) is None
    assert statistics.theil_sen((), (), 0.99) is None


@given(st.integers(8, 20), st.floats(-5, 5), st.floats(-5, 5))
def test_a_straight_line_has_its_slope(count: int, slope: float, start: float) -> None:
    found = statistics.theil_sen(range(count), [start + slope * place for place in range(count)], 0.99)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((slope, slope, slope), rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=15), st.floats(-3, 3))
def test_adding_a_line_moves_the_interval_by_its_slope(values: list[float], slope: float) -> None:
    places = range(len(values))
    plain = statistics.theil_sen(places, values, 0.99)
    tilted = statistics.theil_sen(
        places, [value + slope * place for place, value in zip(places, values, strict=True)], 0.99
    )
    assert plain is not None
    assert tilted is not None
    assert plain.low is not None
    assert plain.high is not None
    assert plain.low <= plain.value <= plain.high
    shifted = (plain.value + slope, plain.low + slope, plain.high + slope)
    assert (tilted.value, tilted.low, tilted.high) == pytest.approx(shifted, rel=1e-9, abs=1e-9)


def test_the_ranks_of_the_slopes_are_those_of_kendall() -> None:
    """n = 12 at 99 %: z sd = 2.5758 x 14.583 = 37.56, so ranks (66 - 37.56) / 2 = 14 and 53 of 66."""
    values = [0.3, -1.2, 0.8, 2.0, -0.4, 1.1, 0.0, -2.1, 0.6, 1.7, -0.9, 0.2]
    slopes = sorted((b - a) / (j - i) for (i, a), (j, b) in itertools.combinations(enumerate(values), 2))
    found = statistics.theil_sen(range(12), values, 0.99)
    assert found is not None
    assert (found.low, found.high) == (slopes[13], slopes[52])


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, 50), (0.9, 90), (0.99, 99), (0.999, 100)])
def test_a_percentile_is_the_nearest_rank(fraction: float, expected: int) -> None:
    assert statistics.percentile(list(range(100, 0, -1)), fraction) == expected
