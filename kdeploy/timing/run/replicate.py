"""One replicate: three fresh processes, one of which runs at any time.

    start A1, A2, B -> all stopped -> warm up, one at a time -> blocks in balanced random order
    -> a block with one input alone (does the model remember its answers?) -> memory -> end

A1 and A2 are the same baseline: what they differ by is what this machine calls a difference when there is none; without
A2 two processes are enough. A block that something disturbed is void (`kdeploy.timing.analysis.noise`): it is kept,
and does not count.
"""

from __future__ import annotations

import itertools
import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kdeploy.system.wire import Message
from kdeploy.timing.analysis import noise
from kdeploy.timing.raw import CANDIDATE, FIRST, Block, Replicate, WorkerReport
from kdeploy.timing.request import Settings
from kdeploy.timing.run.worker_process import Arm

StartArm = Callable[[str], Arm]


@dataclass(frozen=True)
class Trio:
    """The three arms of a replicate, all stopped unless one has its turn."""

    arms: Mapping[str, Arm]

    def turn(self, name: str, message: Message) -> tuple[Message, int | None]:
        """Let one arm carry out a command; its answer, and the CPU time that the others used meanwhile."""
        others = [arm for other, arm in self.arms.items() if other != name]
        before = [arm.cpu_ns() for arm in others]
        self.arms[name].resume()
        self.arms[name].tell(message)
        answer = self.arms[name].listen()
        self.arms[name].pause()
        after = [arm.cpu_ns() for arm in others]
        spent = [end - begin for begin, end in zip(before, after, strict=True) if begin is not None and end is not None]
        return answer, max(spent) if len(spent) == len(others) else None


def orders(arms: Sequence[str], blocks: int, generator: random.Random) -> list[tuple[str, ...]]:
    """A random order of the arms for every block, each order equally often (as far as blocks go)."""
    found: list[tuple[str, ...]] = []
    while len(found) < blocks:
        cycle = list(itertools.permutations(arms))
        generator.shuffle(cycle)
        found += cycle
    return found[:blocks]


def calls_per_block(median_ns: int, settings: Settings) -> int:
    """How many calls last about as long as a block should."""
    return min(settings.most_calls, max(settings.least_calls, settings.block_ns // max(1, median_ns)))


def run_replicate(
    number: int,
    specs: Mapping[str, Message],
    settings: Settings,
    start: StartArm,
    *,
    seed: str,
    calls: dict[str, int],
) -> Replicate:
    """Measure one replicate. `calls` are the calls per block of every arm; given none, this replicate sets them."""
    generator = random.Random(seed)  # noqa: S311 (an order of turns, not a secret)
    with running(specs, start, generator) as (trio, loaded):
        warm_ups = {name: trio.turn(name, warm_up_command(settings))[0] for name in shuffled(specs, generator)}
        if not calls:
            calls |= calibrated(warm_ups, settings)
        blocks = [
            one_block(trio, block, place, name, calls[name], settings)
            for block, order in enumerate(orders(list(specs), settings.blocks, generator))
            for place, name in enumerate(order)
        ]
        repeated = {name: trio.turn(name, run_command(calls[name], settings, rotate=False))[0]["ns"] for name in specs}
        memory = {name: trio.turn(name, {"do": "finish"})[0]["peak_rss_bytes"] for name in specs}
    workers = {name: WorkerReport(loaded[name], warm_ups[name], memory[name], repeated[name]) for name in specs}
    return Replicate(number, blocks, workers)


@contextmanager
def running(
    specs: Mapping[str, Message], start: StartArm, generator: random.Random
) -> Iterator[tuple[Trio, dict[str, Message]]]:
    """The three arms, loaded and stopped; ended on the way out, whatever happens."""
    with ExitStack() as cleanup:
        arms: dict[str, Arm] = {}
        for name in shuffled(specs, generator):
            arms[name] = start(name)
            cleanup.callback(arms[name].close)
            arms[name].tell(specs[name])
        loaded = {name: arm.listen() for name, arm in arms.items()}
        for arm in arms.values():
            arm.pause()
        yield Trio(arms), loaded


def one_block(trio: Trio, block: int, place: int, name: str, calls: int, settings: Settings) -> Block:
    answer, idle = trio.turn(name, run_command(calls, settings))
    return Block(
        block=block,
        order=place,
        arm=name,
        ns=array("q", answer["ns"]),
        resume_ns=answer["resume_ns"],
        wrong=answer["wrong"],
        void=next(noise.disturbances(answer["counters"], idle, settings.limits), ""),
        idle_cpu_ns=idle,
        counters=answer["counters"],
    )


def calibrated(warm_ups: Mapping[str, Message], settings: Settings) -> dict[str, int]:
    """The calls per block of each arm; A1 and A2 do the same."""
    baseline = calls_per_block(warm_ups[FIRST]["median_ns"], settings)
    candidate = calls_per_block(warm_ups[CANDIDATE]["median_ns"], settings)
    return {name: candidate if name == CANDIDATE else baseline for name in warm_ups}


def run_command(calls: int, settings: Settings, *, rotate: bool = True) -> Message:
    return {"do": "run", "calls": calls, "resume_calls": settings.resume_calls, "rotate": rotate}


def warm_up_command(settings: Settings) -> Message:
    rule = {
        "least_calls": settings.warm_up_calls,
        "least_ns": settings.warm_up_ns,
        "most_ns": settings.warm_up_limit_ns,
    }
    return {"do": "warm_up", "rule": rule}


def shuffled(arms: Iterable[str], generator: random.Random) -> list[str]:
    """The arms in a random order, so that no arm is always the first to start or to warm up."""
    return generator.sample(names := list(arms), len(names))
