"""Who disturbs is said, and quiet is waited for as long as that was granted; readings and the clock are scripted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kdeploy.timing.machine.others import Load, Process, Reading
from kdeploy.timing.request import Settings
from kdeploy.timing.run.quiet import Watch, disturbance

SECOND = 10**9
YES = Process(4711, "yes", 1, 4711, 1, 0)
ADVICE = "To wait for quiet: --wait SECONDS of kdeploy bench, or bench.wait in a recipe."
BUSY = "other processes use 2.0 of 2 CPUs: yes (process 4711) 2.0"


@dataclass
class Machine:
    """A machine on which `yes` takes both CPUs until a time, and a clock that sleep alone moves."""

    busy_until_s: float
    now_s: float = 0.0
    said: list[str] = field(default_factory=list)

    def read(self, _cpus: tuple[int, ...]) -> Reading:
        consumed = round(2 * min(self.now_s, self.busy_until_s) * SECOND)
        return Reading(round(self.now_s * SECOND), consumed, 0, 0, {4711: YES._replace(ns=consumed)})

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def watch(self, wait_s: float = 0.0) -> Watch:
        settings = Settings(wait_ns=round(wait_s * SECOND))
        return Watch(settings, (0, 1), self.said.append, self.read, self.sleep, self.clock)

    def clock(self) -> int:
        return round(self.now_s * SECOND)


def test_a_quiet_machine_is_looked_at_for_half_a_second_and_nothing_is_said() -> None:
    machine = Machine(busy_until_s=0.0)
    machine.watch(wait_s=60).before(1)
    assert (machine.said, machine.now_s) == ([], 0.5)


def test_a_disturbance_is_said_at_once_and_again_after_half_a_minute() -> None:
    machine = Machine(busy_until_s=1e9)
    watch = machine.watch()
    for _ in range(5):
        watch.before(1)
        machine.sleep(10)
    assert machine.said == [f"{BUSY}; what that disturbs does not count. {ADVICE}"] * 2
    assert watch.waited_ns == 0


def test_quiet_is_waited_for_and_said_when_it_comes() -> None:
    machine = Machine(busy_until_s=60.0)
    watch = machine.watch(wait_s=120)
    watch.before(1)
    assert machine.said == [
        f"{BUSY}; waiting for quiet, 0 of 120 s.",
        f"{BUSY}; waiting for quiet, 33 of 120 s.",
        "quiet after 60 s.",
    ]
    assert watch.waited_ns == 60.5 * SECOND


def test_the_wait_ends_when_what_was_granted_is_spent() -> None:
    machine = Machine(busy_until_s=1e9)
    watch = machine.watch(wait_s=20)
    watch.before(1)
    watch.before(1)
    assert machine.said == [
        f"{BUSY}; waiting for quiet, 0 of 20 s.",
        f"not quiet within 20 s: {BUSY}.",
    ]


def test_where_nothing_can_be_read_nothing_is_said() -> None:
    machine = Machine(busy_until_s=1e9)
    watch = machine.watch()
    watch.read = lambda _cpus: None
    watch.before(1)
    assert machine.said == []


def load(others: float, *shares: float, stolen: float = 0.0, cpus: int = 2) -> Load:
    return Load(cpus, others, stolen, [(YES._replace(pid=number), share) for number, share in enumerate(shares, 1)])


@pytest.mark.parametrize(
    ("seen", "threads", "words"),
    [
        (load(0.7), 1, ""),
        (load(0.8, 0.8), 1, "other processes use 0.8 of 2 CPUs: yes (process 1) 0.8"),
        (load(0.15), 2, ""),
        (load(0.25, 0.25), 2, "other processes use 0.2 of 2 CPUs: yes (process 1) 0.2"),
        (load(1.0, cpus=8), 4, ""),
        (load(1.5), 1, "other processes use 1.5 of 2 CPUs, none of which can be seen from here"),
        (
            load(1.9, 0.5, 0.5, 0.4, 0.3, 0.2, 0.01),
            1,
            "other processes use 1.9 of 2 CPUs: "
            "yes (process 1) 0.5, yes (process 2) 0.5, yes (process 3) 0.4 and 2 more",
        ),
        (load(0.0, stolen=0.5), 1, "the hypervisor gives 0.5 of 2 CPUs to others"),
        (load(0.0, stolen=0.05), 1, ""),
    ],
)
def test_it_is_quiet_while_the_arm_and_the_orchestrator_have_their_cpus(seen: Load, threads: int, words: str) -> None:
    assert disturbance(seen, threads, Settings()) == words
