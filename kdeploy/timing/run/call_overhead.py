"""The call floor: what a runtime takes for a graph that does nothing, timed as the arms are.

    fresh worker -> warm up -> one block -> end, a few times over

Nothing that runs through a runtime can be faster than its floor. LoadGen of MLPerf ships such a graph as its null
system under test.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing

from kdeploy.timing.messages import LoadCommand
from kdeploy.timing.raw import FloorSample
from kdeploy.timing.request import FloorRequest, Settings
from kdeploy.timing.run.commands import calls_per_block, floor_spec, run_command, warm_up_command
from kdeploy.timing.run.worker_process import StartWorker, ask

NAME = "floor"  # of its workers
STARTS = 3


def floor_samples(
    floor: FloorRequest, cpus: Sequence[int], settings: Settings, start: StartWorker
) -> Iterator[FloorSample]:
    """Time the graph in fresh workers on these CPUs; the calls of each, in ns."""
    for _ in range(min(STARTS, settings.looks[0])):
        with closing(start(NAME)) as worker:
            ask(worker, LoadCommand(do="load", **floor_spec(floor, cpus)))
            warm_up = ask(worker, warm_up_command(settings))
            block = ask(worker, run_command(calls_per_block(warm_up["median_ns"], settings), settings))
        yield FloorSample(floor.runtime, floor.threads, array("q", block["ns"]))
