"""CPU affinity: the arms run on the last CPUs that are allowed, the orchestrator on the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def pin(cpus: tuple[int, ...]) -> tuple[int, ...]:
    """Run on these CPUs only; the CPUs in effect, empty where the system has no affinity."""
    if not hasattr(os, "sched_setaffinity"):
        return ()
    os.sched_setaffinity(0, cpus)
    return tuple(sorted(os.sched_getaffinity(0)))


def bench_cpus(allowed: tuple[int, ...], threads: int) -> tuple[int, ...]:
    """The last CPUs that are allowed, one a thread: the first ones serve most interrupts."""
    return allowed[-threads:]


@contextmanager
def housekeeping(allowed: tuple[int, ...], busy: tuple[int, ...]) -> Iterator[None]:
    """Stay off the CPUs that are measured, where there are others."""
    others = tuple(cpu for cpu in allowed if cpu not in busy)
    if not others:
        yield
        return
    pin(others)
    try:
        yield
    finally:
        pin(allowed)
