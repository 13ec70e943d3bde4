from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.timing import percentiles
from kdeploy.timing.statistics import Estimate


@pytest.mark.parametrize(("fraction", "calls"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_the_calls_a_percentile_needs(fraction: float, calls: int) -> None:
    assert percentiles.calls_for_percentile(fraction) == calls


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, 50), (0.9, 90), (0.99, 99), (0.999, 100)])
def test_a_percentile_is_the_nearest_rank(fraction: float, expected: int) -> None:
    assert percentiles.percentile(list(range(100, 0, -1)), fraction) == expected


def test_a_percentile_is_the_median_over_replicates() -> None:
    replicates = [list(range(1, 101)), list(range(11, 111)), list(range(1001, 1101))]
    assert percentiles.replicate_percentile(replicates, 0.9, 0.99) == Estimate(100, None, None)


def test_the_interval_of_a_percentile_is_that_of_its_median_over_twelve_replicates() -> None:
    replicates = [[shift] * 100 for shift in range(12)]
    assert percentiles.replicate_percentile(replicates, 0.9, 0.99) == Estimate(5.5, 1, 10)  # ranks 2 and 11


def test_a_percentile_of_too_few_calls_is_left_out_with_its_reason() -> None:
    reason = "a replicate has 99 calls and this percentile needs 100"
    assert percentiles.too_few([[5] * 99, [5] * 500], 0.9) == reason
    assert percentiles.too_few([[5] * 100, [5] * 500], 0.9) == ""


def test_a_percentile_of_too_few_calls_in_all_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(percentiles, "calls_for_percentile", lambda fraction: 1000)
    reason = "there are 100 calls and this percentile needs 1000"
    assert percentiles.too_few([[5] * 100], 0.9) == reason


# the fewest queries of MLPerf Inference's early stopping, with one of them over the latency
@pytest.mark.parametrize(("fraction", "calls"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_the_fewest_calls_of_a_bound_are_those_of_mlperf(fraction: float, calls: int) -> None:
    assert percentiles.early_stopping(range(calls - 1), fraction) is None
    assert percentiles.early_stopping(range(calls), fraction) == calls - 1


@given(st.integers(1, 300), st.floats(0.5, 0.99), st.floats(0.5, 0.999))
def test_the_calls_over_the_bound_are_those_of_the_binomial(count: int, fraction: float, confidence: float) -> None:
    def below(over: int) -> float:
        chance = 1 - fraction
        return sum(math.comb(count, k) * chance**k * fraction ** (count - k) for k in range(over + 1))

    over = percentiles.overlatency(count, fraction, confidence)
    assert over < 0 or below(over) <= 1 - confidence + 1e-9
    assert below(over + 1) > 1 - confidence - 1e-9


def test_the_bound_lies_above_the_percentile_and_nears_it_with_more_calls() -> None:
    far, near = (percentiles.early_stopping(range(calls), 0.99) / calls for calls in (1_000, 100_000))  # type: ignore[operator]
    assert far > near > 0.99
    assert near < 0.991
