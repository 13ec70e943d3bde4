"""What others take from this machine's CPUs, from /proc: how many CPUs, and which processes.

    others = (busy time of the CPUs this process may use - that of our own session and of its ancestors) / time

Processes that a container hides are in the sum and have no name. Time is in hundredths of a second (proc(5)).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kdeploy.timing.machine.counters import cpu_lines

ROOT = Path("/")

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_BUSY = (1, 2, 3, 6, 7)  # user, nice, system, irq and softirq of a `cpu` line


class Process(NamedTuple):
    """A process and what it has consumed; `parent` and `session` say whose it is, `cpu` where it ran last."""

    pid: int
    name: str
    parent: int
    session: int
    cpu: int
    ns: int


@dataclass(frozen=True)
class Reading:
    """The time now, what the CPUs did since the system began, and what each process has consumed, in ns.

    `ended_ns` is what our own children had consumed that are gone.
    """

    at_ns: int
    busy_ns: int
    stolen_ns: int
    ended_ns: int
    processes: Mapping[int, Process]


@dataclass(frozen=True)
class Load:
    """What others took between two readings, in CPUs: all of them, the hypervisor, and each process by name."""

    cpus: int
    others: float
    stolen: float
    processes: Sequence[tuple[Process, float]]


def read(cpus: Sequence[int], root: Path = ROOT, clock: Callable[[], int] = time.perf_counter_ns) -> Reading | None:
    """The reading of these CPUs; None where the system shows none."""
    try:
        busy, stolen = cpu_times(cpus, root)
        processes = {one.pid: one for one in _processes(root)}
    except (OSError, ValueError, IndexError):
        return None
    ended = os.times()
    return Reading(clock(), busy, stolen, round((ended.children_user + ended.children_system) * 1e9), processes)


def cpu_times(cpus: Sequence[int], root: Path) -> tuple[int, int]:
    """The time that these CPUs were busy, and that a hypervisor ran others on them, in ns."""
    rows = cpu_lines(cpus, root)
    busy = sum(int(fields[place]) for fields in rows for place in _BUSY)
    return busy * _TICK_NS, sum(int(fields[8]) for fields in rows) * _TICK_NS


def load(before: Reading, after: Reading, cpus: Sequence[int], own: int | None = None) -> Load:
    """What others took between two readings of the same CPUs; `own` is one of our processes, None this one."""
    elapsed = max(1, after.at_ns - before.at_ns)
    mine = own_processes(after.processes, own or os.getpid())
    rises = {pid: _rise(one, before) for pid, one in after.processes.items()}
    consumed = sum(rises[pid] for pid in mine) + after.ended_ns - before.ended_ns
    strangers = [
        (one, rises[pid] / elapsed) for pid, one in after.processes.items() if pid not in mine and one.cpu in {*cpus}
    ]
    return Load(
        cpus=len(cpus),
        others=max(0.0, (after.busy_ns - before.busy_ns - consumed) / elapsed),
        stolen=max(0, after.stolen_ns - before.stolen_ns) / elapsed,
        processes=sorted(strangers, key=lambda pair: -pair[1]),
    )


def own_processes(processes: Mapping[int, Process], own: int) -> set[int]:
    """The processes of our session, and those that started it: a shell, `make`."""
    mine = {pid for pid, one in processes.items() if own in processes and one.session == processes[own].session}
    while own in processes:
        mine.add(own)
        own = processes[own].parent
    return mine


def _rise(process: Process, before: Reading) -> int:
    """What a process has consumed since; all of it where it is new."""
    earlier = before.processes.get(process.pid)
    return process.ns - (earlier.ns if earlier is not None else 0)


def _processes(root: Path) -> Iterator[Process]:
    for path in (root / "proc").glob("[0-9]*"):
        try:
            text = (path / "stat").read_text(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()
        ns = (int(fields[11]) + int(fields[12])) * _TICK_NS
        yield Process(int(path.name), name, int(fields[1]), int(fields[3]), int(fields[36]), ns)
