"""Who disturbs a measurement, said while it runs; and the wait until nobody does.

    others take > max(10 % of the arm's threads, CPUs - threads - 0.25), or the hypervisor > 5 %  ->  not quiet

A quarter of a CPU is the orchestrator's, which runs between the blocks. What is said names processes, and is in no
record: those are of the machine and of the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kdeploy.formatting.numbers import several
from kdeploy.timing.machine import others
from kdeploy.timing.machine.others import Load, Reading
from kdeploy.timing.request import Settings

LOOK_S, BETWEEN_S = 0.5, 5.0  # how long a look at the machine takes, and what is between two of them
SAY_EVERY_S = 30.0
SPARE_CPUS = 0.25
MOST_NAMED = 3
WORTH_NAMING = 0.05  # of a CPU
ADVICE = " To wait for quiet: --wait SECONDS of kdeploy bench, or bench.wait in a recipe."


@dataclass
class Watch:
    """A look at the machine before each replicate, and the wait; `waited_ns` is how long that was, altogether.

    Args:
        cpus: those that this process may use.
        say: takes what is to be said, a sentence at a time.
    """

    settings: Settings
    cpus: tuple[int, ...]
    say: Callable[[str], None]
    read: Callable[[tuple[int, ...]], Reading | None] = others.read
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], int] = time.perf_counter_ns
    waited_ns: int = 0
    _last: Reading | None = field(default=None, repr=False)
    _said_ns: int | None = field(default=None, repr=False)

    def before(self, threads: int) -> None:
        """What others took since the last look, said if it is too much; then the wait, as far as it was granted."""
        load = self._look() if self._last is None else self._since()
        disturbance = self._disturbance(load, threads)
        if not disturbance:
            return
        if self._left_ns() <= 0:
            self._tell(f"{disturbance}; what that disturbs does not count", ADVICE)
            return
        self._wait(disturbance, threads)

    def disturbance(self, threads: int) -> str:
        """What others take now, in words; empty where it is quiet."""
        return self._disturbance(self._look(), threads)

    def _wait(self, disturbance: str, threads: int) -> None:
        began, granted = self.clock(), self._left_ns()
        while disturbance and (passed := self.clock() - began) < granted:
            self._tell(f"{disturbance}; waiting for quiet, {passed / 1e9:.0f} of {granted / 1e9:.0f} s")
            self.sleep(min(BETWEEN_S, (granted - passed) / 1e9))
            disturbance = self.disturbance(threads)
        took = self.clock() - began
        self.waited_ns += took
        self._said_ns = None
        waited = f"{took / 1e9:.0f} s"
        self._tell(f"not quiet within {waited}: {disturbance}" if disturbance else f"quiet after {waited}")

    def _left_ns(self) -> int:
        return self.settings.wait_ns - self.waited_ns

    def _look(self) -> Load | None:
        """A look at the machine while no arm runs."""
        self._last = self.read(self.cpus)
        self.sleep(LOOK_S)
        return self._since()

    def _since(self) -> Load | None:
        before, self._last = self._last, self.read(self.cpus)
        return None if before is None or self._last is None else others.load(before, self._last, self.cpus)

    def _disturbance(self, load: Load | None, threads: int) -> str:
        return "" if load is None else disturbance(load, threads, self.settings)

    def _tell(self, text: str, advice: str = "") -> None:
        """Say it, and not again for half a minute."""
        now = self.clock()
        if self._said_ns is None or now - self._said_ns >= SAY_EVERY_S * 1e9:
            self._said_ns = now
            self.say(f"{text}.{advice}")


def first_look(settings: Settings, cpus: tuple[int, ...], threads: int, say: Callable[[str], None]) -> None:
    """Say what disturbs a benchmark before its models are converted and its processes started; waits for nothing."""
    words = Watch(settings, cpus, say).disturbance(threads)
    if words:
        say(f"{words}.")


def disturbance(load: Load, threads: int, settings: Settings) -> str:
    """What is too much of a load, in words; empty where it is quiet."""
    limits = settings.limits
    most = max(limits.run_wait * threads, load.cpus - threads - SPARE_CPUS)
    if load.others > most:
        return f"other processes use {load.others:.1f} of {several(load.cpus, 'CPU')}{_named(load)}"
    if load.stolen > limits.block_steal * load.cpus:
        return f"the hypervisor gives {load.stolen:.1f} of {several(load.cpus, 'CPU')} to others"
    return ""


def _named(load: Load) -> str:
    """The processes that take most, `: yes (process 4711) 1.0, cc1 (process 4712) 0.9 and 3 more`."""
    busy = [pair for pair in load.processes if pair[1] >= WORTH_NAMING]
    words = [f"{process.name} (process {process.pid}) {cpus:.1f}" for process, cpus in busy[:MOST_NAMED]]
    if not words:
        return ", none of which can be seen from here"
    return f": {', '.join(words)}{f' and {len(busy) - MOST_NAMED} more' if len(busy) > MOST_NAMED else ''}"
