"""Optional measurements of one arm alone: cold starts, a sustained run, energy.

    cold        fresh processes of both arms in random order; each imports, loads and calls from the first call on
    sustained   one process an arm, called without a pause in 100 windows
    energy      one process an arm: idle, a block of a second, idle; five times

Nothing else runs meanwhile, and no claim rests on it. The raw lines go into the file of the blocks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from kdeploy.timing.machine import energy
from kdeploy.timing.messages import (
    ColdStartAnswer,
    ColdStartCommand,
    EnergyBlock,
    LoadCommand,
    ModelSpec,
    WindowAnswer,
    WindowCommand,
)
from kdeploy.timing.request import PAIR, ModelRole, Role, Settings
from kdeploy.timing.run.commands import generator_of_turns, warm_up_command
from kdeploy.timing.run.worker_process import StartWorker, Worker, ask

WINDOWS = 100
ENERGY_BLOCKS, SECOND_NS = 5, 1_000_000_000


def cold_starts(
    specs: Mapping[Role, ModelSpec], settings: Settings, start: StartWorker, *, seed: str
) -> Iterator[tuple[ModelRole, ColdStartAnswer]]:
    """The cold starts of both models in fresh processes, in random order, each with its role."""
    order = [*PAIR] * settings.cold_starts
    generator_of_turns(seed).shuffle(order)
    for role in order:
        with closing(start(role)) as worker:
            yield role, ask(worker, ColdStartCommand(do="cold_start", **specs[role]))


def windows(spec: ModelSpec, role: ModelRole, settings: Settings, start: StartWorker) -> Iterator[WindowAnswer]:
    """The windows of a sustained run, if one was requested; the pause between two is that of one message."""
    if not settings.sustained_ns:
        return
    with warm(spec, role, settings, start) as worker:
        for _ in range(WINDOWS):
            yield ask(worker, WindowCommand(do="window", ns=settings.sustained_ns // WINDOWS))


def energy_blocks(spec: ModelSpec, role: ModelRole, settings: Settings, start: StartWorker) -> Iterator[EnergyBlock]:
    """Blocks of a second with the idle power around each, while the arm waits for its next command.

    No block where energy was not requested, or cannot be read.
    """
    if not settings.energy or energy.unreadable() is not None:
        return
    with warm(spec, role, settings, start) as worker:
        for _ in range(ENERGY_BLOCKS):
            idle = idle_uw()
            before = energy.read()
            window = ask(worker, WindowCommand(do="window", ns=SECOND_NS))
            used = energy.spent(before, energy.read())
            yield EnergyBlock(**window, energy_uj=used, idle_uw=round((idle + idle_uw()) / 2))


def idle_uw() -> float:
    """The power of a second in which no arm runs, in microwatts."""
    before, began = energy.read(), time.perf_counter()
    time.sleep(1)
    return energy.spent(before, energy.read()) / (time.perf_counter() - began)


@contextmanager
def warm(spec: ModelSpec, role: ModelRole, settings: Settings, start: StartWorker) -> Iterator[Worker]:
    """One arm, loaded and warmed up; ended on the way out."""
    with closing(start(role)) as worker:
        ask(worker, LoadCommand(do="load", **spec))
        ask(worker, warm_up_command(settings))
        yield worker
