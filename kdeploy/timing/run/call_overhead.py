"""The call floor: what a runtime takes for a graph that does nothing, timed as the arms are.

    fresh worker -> warm up -> one block -> end, a few times over

Nothing that runs through a runtime can be faster than its floor. LoadGen of MLPerf ships such a graph as its null
system under test.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from contextlib import closing

from kdeploy.system.wire import Message
from kdeploy.timing.raw import FloorSample
from kdeploy.timing.request import FloorRequest, Settings
from kdeploy.timing.run.replicate import StartArm, calls_per_block, run_command, warm_up_command
from kdeploy.timing.run.worker_process import ask

NAME = "floor"  # of its workers
STARTS = 3


def measure(asked: FloorRequest, cpus: Sequence[int], settings: Settings, start: StartArm) -> list[FloorSample]:
    """Time the graph in fresh workers."""
    return [_started(asked, cpus, settings, start) for _ in range(min(STARTS, settings.looks[0]))]


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
