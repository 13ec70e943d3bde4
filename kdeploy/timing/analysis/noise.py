"""Disturbances of a block, from the counters before and after it: such a block is void, and does not count.

    share of a block = (after - before) / (elapsed x CPUs of the arm)

    steal > 5 %; wait > 20 %; throttled at all; a major fault or a page swapped; a clock rate that changed > 5 %;
    a stopped arm that used the CPU for > 1 ms

Wait is the time in which the arm's own threads were runnable and did not run. It stands in for two signals of other
benchmarks, which only decide where it cannot be read: the pressure of the whole system, and involuntary switches above
50 a second. On a 2-core VM 66 of 120 blocks of 30 ms had more switches than that, but only 14 waited for over 20 %, and
most 0.3 % or less: two switches to a kernel thread that needs microseconds make 67 a second. A CPU hog on the arm's
CPU shows as 50 % wait.
A counter that went backwards was not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kdeploy.timing.messages import Counters, Reading
from kdeploy.timing.raw import Block
from kdeploy.timing.request import NoiseLimits

IDLE_ARM_RAN = "a stopped arm used the CPU"
FAULTS = "memory came from disk"

# a signal and what it is read from
SIGNALS = {
    "steal": ("steal_ns",),
    "cpu wait": ("wait_ns",),
    "cpu pressure": ("pressure_ns",),
    "cgroup throttling": ("throttled_ns", "throttled_times"),
    "involuntary switches": ("switches",),
    "frequency": ("frequency_khz",),
    "thermal throttling": ("overheated",),
    "page faults": ("major_faults",),
    "swap": ("swapped_bytes",),
}


def disturbances(counters: Counters, idle_cpu_ns: int | None, limits: NoiseLimits) -> Iterator[str]:
    """The reasons for which a block is void, the strongest first; none for a block that counts."""
    if not limits.voids:
        return
    if _over(idle_cpu_ns, limits.block_idle_ns):
        yield IDLE_ARM_RAN
    if _over(change(counters, "throttled_ns"), 0) or _over(change(counters, "throttled_times"), 0):
        yield "the control group was throttled"
    if _over(share(counters, "steal_ns"), limits.block_steal):
        yield "the hypervisor ran others"
    yield from _waited(counters, limits)
    if faulted(counters):
        yield FAULTS
    if _over(frequency_change(counters), limits.block_frequency):
        yield "the clock rate changed"


def readings(counters: Counters) -> tuple[Reading, Reading]:
    """The readings before and after a block; empty where there are none."""
    return counters.get("before", {}), counters.get("after", {})


def change(counters: Counters, name: str) -> int | None:
    """The rise of a counter over a block; None when it cannot be read, or went backwards."""
    before, after = (reading.get(name) for reading in readings(counters))
    if before is None or after is None or after < before:
        # memory that returns from swap was read, and is no wrap
        return 0 if name == "swapped_bytes" and None not in (before, after) else None
    return after - before


def share(counters: Counters, name: str) -> float | None:
    """A change in ns as a share of the block's time, per CPU of the arm."""
    rise, elapsed = change(counters, name), counters.get("elapsed_ns", 0)
    return None if rise is None or elapsed <= 0 else rise / (elapsed * counters["cpus"])


def frequency_change(counters: Counters) -> float | None:
    """The relative change of the clock rate, up or down."""
    before, after = (reading.get("frequency_khz") for reading in readings(counters))
    return abs(after - before) / before if before and after is not None else None


def faulted(counters: Counters) -> bool:
    """Whether the arm waited for the disk."""
    return _over(change(counters, "major_faults"), 0) or _over(change(counters, "swapped_bytes"), 0)


def total_share(blocks: Iterable[Block], name: str) -> float | None:
    """The share of a counter over all blocks in which it could be read."""
    rises = [(rise, block.counters) for block in blocks if (rise := change(block.counters, name)) is not None]
    elapsed = sum(counters["elapsed_ns"] * counters["cpus"] for _, counters in rises)
    return sum(rise for rise, _ in rises) / elapsed if elapsed > 0 else None


def waiting(blocks: Sequence[Block]) -> float | None:
    """The share of their time that the arms waited for a CPU; the system's pressure where no wait can be read."""
    own = total_share(blocks, "wait_ns")
    return total_share(blocks, "pressure_ns") if own is None else own


def unobserved(blocks: Sequence[Block]) -> dict[str, str]:
    """The signals that could not be read in every block, and the reason."""
    counts = {
        signal: sum(not _was_read(block.counters, names) for block in blocks) for signal, names in SIGNALS.items()
    }
    counts["idle arms"] = sum(block.idle_cpu_ns is None for block in blocks)
    return {
        signal: f"not readable, or went backwards, in {count} of {len(blocks)} blocks"
        for signal, count in counts.items()
        if count
    }


def _was_read(counters: Counters, names: Sequence[str]) -> bool:
    if "frequency_khz" in names:
        return frequency_change(counters) is not None
    return all(change(counters, name) is not None for name in names)


def _waited(counters: Counters, limits: NoiseLimits) -> Iterator[str]:
    own = share(counters, "wait_ns")
    if own is not None:
        if own > limits.block_wait:
            yield "the arm waited for the CPU"
        return
    if _over(share(counters, "pressure_ns"), limits.block_wait):
        yield "tasks of the system waited for a CPU"
    switches = change(counters, "switches")
    if switches is not None and switches * 1e9 > limits.block_switches_per_s * counters["elapsed_ns"]:
        yield "other tasks took the CPU"


def _over(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
