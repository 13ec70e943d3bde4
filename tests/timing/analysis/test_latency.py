from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.records.bench import TimeEstimate
from kdeploy.timing.analysis import latency as latency_module
from kdeploy.timing.analysis.latency import (
    METHOD,
    calls_for_percentile,
    early_stopping,
    latency,
    left_out,
    overlatency,
    replicate_percentile,
    throughput,
    too_few,
)
from kdeploy.timing.analysis.statistics import Estimate

HUNDRED = list(range(1, 101))


def test_every_figure_of_a_worked_example() -> None:
    """12 replicates of 100 calls; the calls of number r are r ns longer than 1 to 100."""
    samples = [[ns + shift for ns in HUNDRED] for shift in range(12)]
    found = latency([[50.5 + shift] for shift in range(12)], samples, 0.99)
    assert (found.n_calls, found.n_replicates, found.min, found.max, found.mean) == (1200, 12, 1, 111, 56)
    assert found.median == TimeEstimate(value=56, ci=(52, 60), level=0.99, method=METHOD)
    assert found.p90 == TimeEstimate(value=96, ci=(91, 100), level=0.99, method=METHOD)
    assert (found.p95, found.p99, found.p999) == (None, None, None)
    assert found.mlperf_upper is not None
    assert found.mlperf_upper.keys() == {"p90", "p95", "p99", "c"}
    assert found.mlperf_upper["p90"] >= 96
    assert dict(left_out(samples)) == {
        "p95": "a replicate has 100 calls and this percentile needs 200",
        "p99": "a replicate has 100 calls and this percentile needs 1000",
        "p999": "a replicate has 100 calls and this percentile needs 10000",
    }


def test_of_one_call_there_is_a_median_and_nothing_else() -> None:
    found = latency([[7.0]], [[7]], 0.99)
    assert found.median == TimeEstimate(value=7, ci=None, level=0.99, method=METHOD)
    assert (found.p90, found.mlperf_upper, found.mad) == (None, None, 0)
    assert dict(left_out([[7]]))["mlperf_upper"] == "64 calls are the fewest for the 90th percentile"


def test_throughput_counts_samples_and_not_calls() -> None:
    found = throughput([[1_000_000] * 10, [3_000_000] * 10, [2_000_000] * 10], 8, 0.99)
    assert found.value == pytest.approx(4000)
    assert found.ci is None


@pytest.mark.parametrize(("fraction", "calls"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_the_calls_a_percentile_needs(fraction: float, calls: int) -> None:
    assert calls_for_percentile(fraction) == calls


def test_a_percentile_is_the_median_over_replicates() -> None:
    replicates = [list(range(1, 101)), list(range(11, 111)), list(range(1001, 1101))]
    assert replicate_percentile(replicates, 0.9, 0.99) == Estimate(100, None, None)


def test_the_interval_of_a_percentile_is_that_of_its_median_over_twelve_replicates() -> None:
    replicates = [[shift] * 100 for shift in range(12)]
    assert replicate_percentile(replicates, 0.9, 0.99) == Estimate(5.5, 1, 10)  # ranks 2 and 11


def test_a_percentile_of_too_few_calls_is_left_out_with_its_reason() -> None:
    reason = "a replicate has 99 calls and this percentile needs 100"
    assert too_few([[5] * 99, [5] * 500], 0.9) == reason
    assert too_few([[5] * 100, [5] * 500], 0.9) == ""


def test_a_percentile_of_too_few_calls_in_all_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_module, "calls_for_percentile", lambda fraction: 1000)
    reason = "there are 100 calls and this percentile needs 1000"
    assert too_few([[5] * 100], 0.9) == reason


# the fewest queries of MLPerf Inference's early stopping, with one of them over the latency
@pytest.mark.parametrize(("fraction", "calls"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_the_fewest_calls_of_a_bound_are_those_of_mlperf(fraction: float, calls: int) -> None:
    assert early_stopping(range(calls - 1), fraction) is None
    assert early_stopping(range(calls), fraction) == calls - 1


@given(st.integers(1, 300), st.floats(0.5, 0.99), st.floats(0.5, 0.999))
def test_the_calls_over_the_bound_are_those_of_the_binomial(count: int, fraction: float, confidence: float) -> None:
    def below(over: int) -> float:
        chance = 1 - fraction
        return sum(math.comb(count, k) * chance**k * fraction ** (count - k) for k in range(over + 1))

    over = overlatency(count, fraction, confidence)
    assert over < 0 or below(over) <= 1 - confidence + 1e-9
    assert below(over + 1) > 1 - confidence - 1e-9


def test_the_bound_lies_above_the_percentile_and_nears_it_with_more_calls() -> None:
    far, near = (early_stopping(range(calls), 0.99) / calls for calls in (1_000, 100_000))  # type: ignore[operator]
    assert far > near > 0.99
    assert near < 0.991
