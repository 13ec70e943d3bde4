from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.timing.analysis import noise
from kdeploy.timing.raw import Block
from kdeploy.timing.request import NoiseLimits
from tests.timing.scripted import counters_of

ELAPSED = 30_000_000
LIMITS = NoiseLimits()


def reasons(idle: int | None = 0, cpus: int = 1, **changes: int | None) -> list[str]:
    return list(noise.disturbances(counters_of(ELAPSED, cpus=cpus, **changes), idle, LIMITS))


def block(**changes: int | None) -> Block:
    return Block(0, 0, "baseline", [ELAPSED], [], 0, "", 0, counters_of(ELAPSED, **changes))


def test_a_quiet_block_counts() -> None:
    assert reasons() == []


def test_every_block_counts_where_a_choice_has_to_be_made() -> None:
    busy = counters_of(ELAPSED, throttled_ns=1, wait_ns=ELAPSED, major_faults=9)
    assert list(noise.disturbances(busy, ELAPSED, NoiseLimits(voids=False))) == []


@pytest.mark.parametrize(
    ("changes", "most", "reason"),
    [
        ("idle", 1_000_000, "a stopped arm used the CPU"),
        ("throttled_ns", 0, "the control group was throttled"),
        ("throttled_times", 0, "the control group was throttled"),
        ("steal_ns", 1_500_000, "the hypervisor ran others"),
        ("wait_ns", 6_000_000, "the arm waited for the CPU"),
        ("major_faults", 0, "memory came from disk"),
        ("swapped_bytes", 0, "memory came from disk"),
    ],
)
def test_a_block_is_void_above_its_limit(changes: str, most: int, reason: str) -> None:
    assert reasons(**{changes: most}) == []
    assert reasons(**{changes: most + 1}) == [reason]


@pytest.mark.parametrize(("after", "void"), [(1050, False), (1051, True), (950, False), (949, True)])
def test_a_clock_rate_that_changes_up_or_down_voids(after: int, void: bool) -> None:
    assert reasons(frequency_khz=after - 1000) == (["the clock rate changed"] if void else [])


def test_pressure_and_switches_decide_only_where_the_wait_cannot_be_read() -> None:
    assert reasons(pressure_ns=ELAPSED, switches=1000) == []
    assert reasons(wait_ns=None, pressure_ns=6_000_000, switches=1) == []
    assert reasons(wait_ns=None, pressure_ns=6_000_001) == ["tasks of the system waited for a CPU"]
    assert reasons(wait_ns=None, switches=2) == ["other tasks took the CPU"]


def test_shares_are_per_cpu_of_the_arm() -> None:
    assert reasons(steal_ns=3_000_000, cpus=2) == []
    assert reasons(steal_ns=3_000_001, cpus=2) == ["the hypervisor ran others"]


@given(st.sampled_from([name for names in noise.SIGNALS.values() for name in names]), st.integers(1, 999))
def test_a_counter_that_wraps_was_not_read(name: str, back: int) -> None:
    counters = counters_of(ELAPSED, **{name: -back})
    if name == "swapped_bytes":  # memory comes back from swap
        assert noise.change(counters, name) == 0
    else:
        assert noise.change(counters, name) is None


def test_what_is_not_readable_voids_nothing_and_is_listed() -> None:
    names = [name for several in noise.SIGNALS.values() for name in several]
    blind = block(**dict.fromkeys(names))
    assert list(noise.disturbances(blind.counters, None, LIMITS)) == []
    assert noise.unobserved([blind, block()]).keys() == {*noise.SIGNALS}
    assert noise.unobserved([block()]) == {}
    assert noise.unobserved([blind, block(steal_ns=-1)])["steal"] == (
        "not readable, or went backwards, in 2 of 2 blocks"
    )


def test_a_record_without_counters_observed_nothing() -> None:
    old = Block(0, 0, "baseline", [1], [], 0, "", None)
    assert noise.unobserved([old]).keys() == {*noise.SIGNALS, "idle arms"}
    assert noise.total_share([old], "steal_ns") is None


def test_a_clock_that_stood_still_gives_no_share() -> None:
    still = counters_of(0, wait_ns=5)
    assert noise.share(still, "wait_ns") is None


def test_shares_of_a_run_leave_out_blocks_that_were_not_read() -> None:
    blocks = [block(steal_ns=ELAPSED // 10), block(steal_ns=None), block()]
    assert noise.total_share(blocks, "steal_ns") == pytest.approx(0.05, rel=1e-12)


def test_the_pressure_of_the_system_stands_in_for_a_wait_that_cannot_be_read() -> None:
    assert noise.waiting([block(wait_ns=3_000_000, pressure_ns=ELAPSED)]) == pytest.approx(0.1, rel=1e-12)
    assert noise.waiting([block(wait_ns=None, pressure_ns=ELAPSED)]) == pytest.approx(1.0, rel=1e-12)
