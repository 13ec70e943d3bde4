"""What is measured of one arm alone, on request: cold starts, a sustained run, energy.

    cold        fresh processes of both arms in random order; each imports, loads and calls from the first call on
    sustained   one process an arm, called without a pause in 100 windows
    energy      one process an arm: idle, a block of a second, idle; five times

Nothing else runs meanwhile, and no claim rests on it. The raw lines go into the file beside the blocks.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from kdeploy.system.wire import Message
from kdeploy.timing.machine import energy
from kdeploy.timing.raw import CANDIDATE, FIRST
from kdeploy.timing.request import Settings
from kdeploy.timing.run.replicate import warm_up_command
from kdeploy.timing.run.worker_process import Arm, ask

StartArm = Callable[[str], Arm]
Line = tuple[str, str, Message]  # kind, arm, what was seen

WINDOWS = 100
ENERGY_BLOCKS, SECOND_NS = 5, 1_000_000_000


def lines(specs: Mapping[str, Message], settings: Settings, start: StartArm, *, seed: str) -> Iterator[Line]:
    """Everything that was asked for beside the comparison."""
    yield from cold_starts(specs, settings.cold_starts, start, seed)
    for name in (FIRST, CANDIDATE):
        if settings.sustained_ns:
            yield from (("window", name, seen) for seen in windows(specs[name], name, settings, start))
        if settings.energy and energy.unreadable() is None:
            yield from (("energy", name, seen) for seen in energy_blocks(specs[name], name, settings, start))


def cold_starts(specs: Mapping[str, Message], count: int, start: StartArm, seed: str) -> Iterator[Line]:
    order = [FIRST, CANDIDATE] * count
    random.Random(seed).shuffle(order)  # noqa: S311 (an order of turns, not a secret)
    for name in order:
        arm = start(name)
        try:
            yield "cold", name, ask(arm, specs[name] | {"cold": True})
        finally:
            arm.close()


def windows(spec: Message, name: str, settings: Settings, start: StartArm) -> Iterator[Message]:
    """The windows of a sustained run; the pause between two is that of one message."""
    with warm(spec, name, settings, start) as arm:
        for _ in range(WINDOWS):
            yield ask(arm, {"do": "window", "ns": settings.sustained_ns // WINDOWS})


def energy_blocks(spec: Message, name: str, settings: Settings, start: StartArm) -> Iterator[Message]:
    """Blocks of a second with the idle power around each, while the arm waits for its next command."""
    with warm(spec, name, settings, start) as arm:
        for _ in range(ENERGY_BLOCKS):
            idle = idle_uw()
            before = energy.read()
            seen = ask(arm, {"do": "window", "ns": SECOND_NS})
            used = energy.spent(before, energy.read())
            yield seen | {"energy_uj": used, "idle_uw": round((idle + idle_uw()) / 2)}


def idle_uw() -> float:
    """The power of a second in which nobody is asked anything, in microwatts."""
    before, began = energy.read(), time.perf_counter()
    time.sleep(1)
    return energy.spent(before, energy.read()) / (time.perf_counter() - began)


@contextmanager
def warm(spec: Message, name: str, settings: Settings, start: StartArm) -> Iterator[Arm]:
    """One arm, loaded and warmed up; ended on the way out."""
    arm = start(name)
    try:
        ask(arm, spec)
        ask(arm, warm_up_command(settings))
        yield arm
    finally:
        arm.close()
