"""What disturbed the comparisons of a run, all of them together."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.run_noise import not_observed, run_noise
from kdeploy.timing.raw import Block, Replicate
from tests.timing.scripted import counters_of, request

ELAPSED = 1000


def comparison(folder: Path, void: str = "", **changes: int | None) -> MeasuredComparison:
    """One block with these changes of its counters."""
    block = Block(0, 0, "baseline", [ELAPSED], [], 0, void, 0, counters_of(ELAPSED, **changes))
    return MeasuredComparison(request(folder).comparisons[0], [Replicate(0, [block])], "replicates")


def test_shares_are_of_all_blocks_and_reasons_are_counted(tmp_path: Path) -> None:
    measured = [
        comparison(tmp_path, steal_ns=100, throttled_ns=5),
        comparison(tmp_path, "the hypervisor ran others", steal_ns=300, throttled_ns=7),
    ]
    seen = run_noise(measured, 0.99)
    assert seen.steal_fraction == pytest.approx(0.2)
    assert (seen.throttled_ns, seen.blocks_total, seen.blocks_void) == (12, 2, 1)
    assert seen.void_reasons == {"the hypervisor ran others": 1}


def test_what_was_not_read_is_named_by_the_field_that_is_null_for_it(tmp_path: Path) -> None:
    measured = [comparison(tmp_path, wait_ns=None, overheated=None)]
    seen = run_noise(measured, 0.99)
    assert (seen.cpu_wait_fraction, seen.trend_per_hour) == (None, None)
    reasons = {missing.field: missing.reason for missing in not_observed(measured, seen)}
    once = "not readable, or went backwards, in 1 of 1 blocks"
    assert reasons == {
        "noise.cpu_wait_fraction": once,
        "noise.unobserved.thermal throttling": once,
        "noise.trend_per_hour": "there are no two replicates to compare",
    }
