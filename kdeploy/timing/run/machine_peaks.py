"""The machine's own peaks, measured between replicates, because a host's speed moves while others use it.

    FLOP/s   largest 2 n^3 / time over products of n x n matrices: numpy, onnxruntime, openvino, torch; n 256 to 2048
    bytes/s  largest over read (dot product), copy and triad (a = b + s c; McCalpin 1995), in cache and at 4 x its size

A canary is two processes on the CPUs of the arms, one for torch alone, that stand still but between replicates, and get
a share of the measurement's time: the cheap probes first. In fp32; what an arm computes in another precision has no
peak here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from kdeploy.errors import KdeployError
from kdeploy.timing.analysis.machine_peaks import ENGINES, TELLING_SIZE, far_bytes
from kdeploy.timing.messages import PinCommand, ProbeAnswer, ProbeCommand
from kdeploy.timing.raw import Probe, Task
from kdeploy.timing.request import Settings
from kdeploy.timing.run.worker_process import Worker, WorkerProcess, ask

PROGRAM = "kdeploy.timing.run.peak_worker"
SIZES = (TELLING_SIZE, 256, 1024, 2048)
OTHERS, TORCH = "others", "torch"  # the two processes
KERNELS = ("read", "copy", "triad")
START_NS = 1_000_000_000  # about what it takes until the first probe


def plan(caches_bytes: Mapping[str, int]) -> list[Task]:
    """The tasks of a canary, each once, the cheap ones first."""
    near, far = near_bytes(caches_bytes), far_bytes(caches_bytes)
    kernels = [Task("cache", name, near) for name in KERNELS] + [Task("memory", name, far) for name in KERNELS]
    return kernels + [Task("product", engine, size) for size in SIZES for engine in ENGINES]


def near_bytes(caches_bytes: Mapping[str, int]) -> int:
    """Half of the second-level cache in bytes: the size that shows what a cache gives although each call has its
    price."""
    return caches_bytes.get("l2", 2**19) // 2


StartProbe = Callable[[str, Settings], Worker]


def start_probe(name: str, settings: Settings) -> Worker:
    """A fresh process of the canary."""
    return WorkerProcess(name, patience_s=settings.patience_s, program=PROGRAM)


class Canary:
    """Measures the peaks of some CPUs, in `peak_share` of the time since its construction."""

    def __init__(
        self,
        cpus: Sequence[int],
        threads: int,
        *,
        caches_bytes: Mapping[str, int],
        settings: Settings,
        start: StartProbe,
        clock: Callable[[], int],
    ) -> None:
        self._cpus, self._threads, self._settings = tuple(cpus), threads, settings
        self._start, self._clock = start, clock
        self._tasks: Iterator[Task] = itertools.cycle(plan(caches_bytes))
        self._workers: dict[str, Worker] = {}
        self._lost: set[str] = set()
        self._began, self._spent = clock(), 0

    def visit(self) -> list[Probe]:
        """The probes that the share allows by now; nothing runs afterwards."""
        probes = []
        while self._may():
            began = self._clock()
            probes.append(self.probe(next(self._tasks)))
            self._spent += self._clock() - began
        return probes

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()

    def _may(self) -> bool:
        allowed = self._settings.peak_share * (self._clock() - self._began)
        alive = self._lost < {OTHERS, TORCH}
        return alive and self._spent < allowed and (bool(self._workers) or allowed >= START_NS)

    def probe(self, task: Task) -> Probe:
        """One probe, whatever the share; without times when its process died: that ends no benchmark."""
        name = TORCH if task.name == TORCH else OTHERS
        if name not in self._lost:
            try:
                answer = self._answer(name, task)
                return Probe(self._threads, task, answer["work"], answer["ns"])
            except KdeployError:
                self._lost.add(name)
        return Probe(self._threads, task, 0, [])

    def _answer(self, name: str, task: Task) -> ProbeAnswer:
        worker = self._worker(name)
        worker.resume()
        answer = ask(worker, ProbeCommand(do="probe", place=task.place, name=task.name, size=task.size))
        worker.pause()
        return answer

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            worker = self._workers[name] = self._start(f"canary, {name}", self._settings)
            ask(worker, PinCommand(do="pin", parent=os.getpid(), cpus=self._cpus, threads=self._threads))
        return self._workers[name]


class Canaries:
    """A canary for each number of threads, built at its first visit."""

    def __init__(
        self, caches_bytes: Mapping[str, int], settings: Settings, *, start: StartProbe, clock: Callable[[], int]
    ) -> None:
        self._make = partial(Canary, caches_bytes=caches_bytes, settings=settings, start=start, clock=clock)
        self._is_on = settings.peak_share > 0
        self._canaries: dict[int, Canary] = {}

    def visit(self, cpus: Sequence[int], threads: int) -> list[Probe]:
        """A few probes, or none; nothing runs afterwards."""
        if not self._is_on:
            return []
        if threads not in self._canaries:
            self._canaries[threads] = self._make(cpus, threads)
        return self._canaries[threads].visit()

    def close(self) -> None:
        for canary in self._canaries.values():
            canary.close()
