"""The call floor of a runtime, and which models are bound by it.

    floor = median over starts of the block's median, of a graph that does nothing (kdeploy.timing.run.call_overhead)

A model that takes less than twice as long is bound by overhead: a smaller one would hardly be faster.
"""

from __future__ import annotations

from collections.abc import Iterable

from kdeploy.records.bench import CallFloor
from kdeploy.timing.analysis.latency import time_estimate
from kdeploy.timing.analysis.statistics import block_value, median_estimate
from kdeploy.timing.raw import FloorSample

NEAR = 2.0  # times the floor


def call_floors(samples: Iterable[FloorSample], level: float) -> tuple[CallFloor, ...]:
    """The call floors, one a runtime and number of threads; three starts give no interval."""
    blocks: dict[tuple[str, int], list[float]] = {}
    for sample in samples:
        blocks.setdefault((sample.runtime, sample.threads), []).append(block_value(sample.ns))
    return tuple(
        CallFloor(
            runtime=runtime,
            threads=threads,
            call_floor_ns=time_estimate(median_estimate(values, level), level, method="median/starts"),
        )
        for (runtime, threads), values in blocks.items()
    )


def note(model: str, runtime: str, latency_ns: int, floor_ns: int) -> str:
    """A sentence about a model near the floor, empty for one that is not."""
    if latency_ns >= NEAR * floor_ns:
        return ""
    times = f"{latency_ns / 1000:.1f} us, and {runtime} takes {floor_ns / 1000:.1f} us for a graph that does nothing"
    return f"{model} is bound by overhead: it takes {times}"
