from __future__ import annotations

import os

import pytest

from kdeploy.timing.machine.cpus import bench_cpus, housekeeping

ALLOWED = tuple(sorted(os.sched_getaffinity(0)))  # before any test had a chance to change it


def test_the_arms_run_on_the_last_cpus() -> None:
    assert bench_cpus((0, 1, 2, 5), 1) == (5,)
    assert bench_cpus((0, 1, 2, 5), 2) == (2, 5)
    assert bench_cpus((3,), 4) == (3,)


def test_the_orchestrator_stays_off_the_measured_cpus_and_comes_back() -> None:
    allowed = ALLOWED
    if len(allowed) < 2:
        pytest.skip("needs two CPUs")
    with housekeeping(allowed, allowed[-1:]):
        assert tuple(sorted(os.sched_getaffinity(0))) == allowed[:-1]
    assert tuple(sorted(os.sched_getaffinity(0))) == allowed
