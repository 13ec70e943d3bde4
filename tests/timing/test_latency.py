from __future__ import annotations

import pytest

from kdeploy.records.bench import TimeEstimate
from kdeploy.timing.latency import METHOD, latency, left_out, throughput

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
