"""The call floor: what a runtime takes for a graph that does nothing, timed as the arms are.

    fresh worker -> warm up -> one block -> end, a few times over;  floor = median over starts of the block's median

Nothing that runs through a runtime can be faster than its floor; a model that takes less than twice as long is bound by
overhead: a smaller one would hardly be faster. LoadGen of MLPerf ships such a graph as its null system under test.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from contextlib import closing

from kdeploy.records.bench import CallFloor, TimeEstimate
from kdeploy.system.wire import Message
from kdeploy.timing.latency import time
from kdeploy.timing.raw import FloorSample
from kdeploy.timing.replicate import StartArm, calls_per_block, run_command, warm_up_command
from kdeploy.timing.request import FloorRequest, Settings
from kdeploy.timing.statistics import block_value, median_estimate
from kdeploy.timing.worker_process import ask

NAME = "floor"  # of its workers
STARTS = 3
NEAR = 2.0  # times the floor


def measure(asked: FloorRequest, cpus: Sequence[int], settings: Settings, start: StartArm) -> list[FloorSample]:
    """Time the graph in fresh workers."""
    return [_started(asked, cpus, settings, start) for _ in range(min(STARTS, settings.looks[0]))]


def call_floors(samples: Iterable[FloorSample], level: float) -> tuple[CallFloor, ...]:
    """One a runtime and number of threads; three starts give no interval."""
    blocks: dict[tuple[str, int], list[float]] = {}
    for sample in samples:
        blocks.setdefault((sample.runtime, sample.threads), []).append(block_value(sample.ns))
    return tuple(
        CallFloor(runtime=runtime, threads=threads, call_floor_ns=_estimate(values, level))
        for (runtime, threads), values in blocks.items()
    )


def note(model: str, runtime: str, latency_ns: int, floor_ns: int) -> str:
    """A sentence about a model near the floor, empty for one that is not."""
    if latency_ns >= NEAR * floor_ns:
        return ""
    times = f"{latency_ns / 1000:.1f} us, and {runtime} takes {floor_ns / 1000:.1f} us for a graph that does nothing"
    return f"{model} is bound by overhead: it takes {times}"


def _started(asked: FloorRequest, cpus: Sequence[int], settings: Settings, start: StartArm) -> FloorSample:
    with closing(start(NAME)) as worker:
        ask(worker, _spec(asked, cpus))
        warm = ask(worker, warm_up_command(settings))
        calls = calls_per_block(warm["median_ns"], settings)
        block = ask(worker, run_command(calls, settings))
    return FloorSample(asked.runtime, asked.threads, array("q", block["ns"]))


def _spec(asked: FloorRequest, cpus: Sequence[int]) -> Message:
    return {
        "parent": os.getpid(),
        "cpus": tuple(cpus),
        "runtime": asked.runtime,
        "threads": asked.threads,
        "batch": 1,
        "artefact": str(asked.artefact),
        "sha256": None,
        "inputs": str(asked.inputs),
        "expected": None,
        "tolerance": None,
    }


def _estimate(blocks: Sequence[float], level: float) -> TimeEstimate:
    return time(median_estimate(blocks, level), level).model_copy(update={"method": "median/starts"})
