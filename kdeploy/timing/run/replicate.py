"""One replicate: three fresh processes, one of which runs at any time.

    start baseline, control, candidate -> all stopped -> warm up, one at a time -> blocks in balanced random order
    -> a block with one input alone (does the model remember its answers?) -> memory -> end

The control is the baseline once more: what the two differ by is what this machine calls a difference when there is
none; without it two processes are enough. A block that something disturbed is void (`kdeploy.timing.analysis.noise`):
it is kept, and does not count.
"""

from __future__ import annotations

import itertools
import random
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import cast

from kdeploy.timing.analysis import noise
from kdeploy.timing.messages import FinishCommand, LoadCommand, Loaded, ModelSpec, RunCommand, WarmUpAnswer
from kdeploy.timing.raw import Block, Replicate, WorkerReport
from kdeploy.timing.request import Role, Settings
from kdeploy.timing.run.commands import calls_per_block, run_command, warm_up_command
from kdeploy.timing.run.worker_process import StartWorker, Worker, ask


@dataclass(frozen=True)
class Trio:
    """The workers of a replicate, all stopped unless one has its turn."""

    workers: Mapping[Role, Worker]

    @contextmanager
    def turn(self, role: Role) -> Iterator[Worker]:
        """The worker of a role, running until the turn ends."""
        worker = self.workers[role]
        worker.resume()
        yield worker
        worker.pause()

    def idle_cpu_ns(self, role: Role) -> list[int | None]:
        """The CPU time that each of the others has consumed."""
        return [worker.cpu_ns() for other, worker in self.workers.items() if other != role]


def orders(roles: Sequence[Role], blocks: int, generator: random.Random) -> list[tuple[Role, ...]]:
    """A random order of the arms for every block, each order equally often (as far as blocks go)."""
    sequences: list[tuple[Role, ...]] = []
    while len(sequences) < blocks:
        cycle = list(itertools.permutations(roles))
        generator.shuffle(cycle)
        sequences += cycle
    return sequences[:blocks]


def run_replicate(
    number: int,
    specs: Mapping[Role, ModelSpec],
    settings: Settings,
    start: StartWorker,
    *,
    generator: random.Random,
    calls: dict[Role, int],
) -> Replicate:
    """Measure one replicate. `calls` are the calls per block of every arm; given none, this replicate sets them."""
    with running(specs, start, generator) as (trio, loaded):
        warm_ups = warmed_up(trio, shuffled(specs, generator), settings)
        if not calls:
            calls |= calibrated(warm_ups, settings)
        blocks = [
            one_block(trio, block, place, role, run_command(calls[role], settings), settings)
            for block, order in enumerate(orders(list(specs), settings.blocks, generator))
            for place, role in enumerate(order)
        ]
        repeated = {role: repeated_ns(trio, role, run_command(calls[role], settings, rotate=False)) for role in specs}
        memory = {role: peak_rss_bytes(trio, role) for role in specs}
    workers = {role: WorkerReport(loaded[role], warm_ups[role], memory[role], repeated[role]) for role in specs}
    return Replicate(number, blocks, workers)


@contextmanager
def running(
    specs: Mapping[Role, ModelSpec], start: StartWorker, generator: random.Random
) -> Iterator[tuple[Trio, dict[Role, Loaded]]]:
    """The workers of a replicate, loaded and stopped; ended on the way out, whatever happens."""
    with ExitStack() as cleanup:
        workers: dict[Role, Worker] = {}
        for role in shuffled(specs, generator):
            workers[role] = start(role)
            cleanup.callback(workers[role].close)
            workers[role].tell(LoadCommand(do="load", **specs[role]))
        loaded = {role: cast("Loaded", worker.listen()) for role, worker in workers.items()}
        for worker in workers.values():
            worker.pause()
        yield Trio(workers), loaded


def warmed_up(trio: Trio, roles: Iterable[Role], settings: Settings) -> dict[Role, WarmUpAnswer]:
    """Warm the arms up, in this order."""
    answers: dict[Role, WarmUpAnswer] = {}
    for role in roles:
        with trio.turn(role) as worker:
            answers[role] = ask(worker, warm_up_command(settings))
    return answers


def one_block(trio: Trio, block: int, place: int, role: Role, command: RunCommand, settings: Settings) -> Block:
    """The block of one arm's turn, and what disturbed it."""
    before = trio.idle_cpu_ns(role)
    with trio.turn(role) as worker:
        answer = ask(worker, command)
    idle = largest_rise(before, trio.idle_cpu_ns(role))
    return Block(
        block=block,
        order=place,
        role=role,
        ns=array("q", answer["ns"]),
        resume_ns=answer["resume_ns"],
        wrong=answer["wrong"],
        void=next(noise.disturbances(answer["counters"], idle, settings.limits), ""),
        idle_cpu_ns=idle,
        counters=answer["counters"],
    )


def repeated_ns(trio: Trio, role: Role, command: RunCommand) -> Sequence[int]:
    """The calls of an arm with one input, again and again, in ns."""
    with trio.turn(role) as worker:
        return ask(worker, command)["ns"]


def peak_rss_bytes(trio: Trio, role: Role) -> int | None:
    """End an arm; the most memory that was resident in it."""
    with trio.turn(role) as worker:
        return ask(worker, FinishCommand(do="finish"))["peak_rss_bytes"]


def largest_rise(before: Sequence[int | None], after: Sequence[int | None]) -> int | None:
    """The largest difference of two readings; None when one of them could not be read."""
    rises = [end - begin for begin, end in zip(before, after, strict=True) if begin is not None and end is not None]
    return max(rises) if len(rises) == len(before) else None


def calibrated(warm_ups: Mapping[Role, WarmUpAnswer], settings: Settings) -> dict[Role, int]:
    """The calls per block of each arm; the control does as many as the baseline."""
    baseline = calls_per_block(warm_ups["baseline"]["median_ns"], settings)
    candidate = calls_per_block(warm_ups["candidate"]["median_ns"], settings)
    return {role: candidate if role == "candidate" else baseline for role in warm_ups}


def shuffled(roles: Iterable[Role], generator: random.Random) -> list[Role]:
    """The arms in a random order, so that no arm is always the first to start or to warm up."""
    return generator.sample(names := list(roles), len(names))
