"""The measurement: replicate processes, interleaved, pinned, looked at three times.

    for each comparison: for look in 12, 24, 48 replicates: measure up to it; stop when the interval is narrow enough
                         (half-width <= 2 %), or when the time would pass before the next look

The arms run on the last CPUs this process may use, the orchestrator on the others. The clock, the time of day and the
start of a worker are arguments, so the loop is tested without waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kdeploy.records.bench import BenchRecord
from kdeploy.system import host
from kdeploy.system.wire import Message
from kdeploy.timing import raw
from kdeploy.timing.analysis.claims import counted
from kdeploy.timing.analysis.comparison import Measured
from kdeploy.timing.analysis.roofline import bounds_of
from kdeploy.timing.analysis.statistics import relative_half_width
from kdeploy.timing.analysis.throughput import throughputs
from kdeploy.timing.machine.cpus import bench_cpus, housekeeping
from kdeploy.timing.raw import ARMS, CANDIDATE, FIRST, RawWriter, Replicate
from kdeploy.timing.request import ComparisonRequest, Request, Settings
from kdeploy.timing.run import call_overhead as floors
from kdeploy.timing.run import machine_peaks, optional, worker_process
from kdeploy.timing.run.record import Clock, assembled
from kdeploy.timing.run.replicate import run_replicate
from kdeploy.timing.run.throughput import LeftOut, measured_throughputs

StartWorker = Callable[[str, Settings], worker_process.Arm]


@dataclass(frozen=True)
class Step:
    """How far a measurement is, told after every replicate. `label` is the comparison in words."""

    comparison: int
    comparisons: int
    label: str
    replicate: int
    look: int  # the replicates at which the interval is looked at next
    half_width: float | None
    elapsed_ns: int


def start_worker(name: str, settings: Settings) -> worker_process.Arm:
    """An arm in a fresh process."""
    return worker_process.WorkerProcess(name, patience_s=settings.patience_s)


def local_now() -> datetime:
    return datetime.now(UTC)


def silent(step: Step) -> None:
    """Tells nobody."""


def measure(
    request: Request,
    folder: Path,
    *,
    progress: Callable[[Step], None] = silent,
    start: StartWorker = start_worker,
    start_probe: machine_peaks.StartProbe = machine_peaks.start_probe,
    clock: Clock = time.perf_counter_ns,
    now: Callable[[], datetime] = local_now,
) -> BenchRecord:
    """Measure every comparison, with the raw samples in `folder/raw.jsonl.gz`.

    Raises: what a worker reports (ModelError, DataError, MissingError, IntegrityError), ResourceError when one dies or
    falls silent, ClaimError when the clock does not advance.
    """
    created, began = now(), clock()
    allowed = host.allowed_cpus()
    caches, settings = host.caches_bytes(), request.settings
    folder.mkdir(parents=True, exist_ok=True)
    with (
        RawWriter(folder / raw.NAME) as writer,
        closing(machine_peaks.Canaries(caches, settings, start=start_probe, clock=clock)) as canaries,
    ):
        loop = Loop(request, allowed, progress, start, clock, canaries)
        writer.request(request)
        nothing = loop.floors(writer)
        measured = [loop.comparison(number, writer) for number in range(len(request.comparisons))]
        brief = list(loop.throughputs(writer))
    bounds = bounds_of(nothing, loop.probes, caches, settings.level)
    measured = [replace(one, bounds=bounds) for one in measured]
    record = assembled(request, measured, allowed, folder, created=created, began=began, clock=clock)
    found = throughputs([one for one in brief if isinstance(one, Measured)])
    left_out = tuple(one.unavailable() for one in brief if isinstance(one, LeftOut))
    return record.model_copy(update={"throughput": found, "unavailable": (*record.unavailable, *left_out)})


@dataclass(frozen=True)
class Loop:
    """What stays the same over the comparisons of one measurement; `first` is the number of the first in the file."""

    request: Request
    allowed: tuple[int, ...]
    progress: Callable[[Step], None]
    start: StartWorker
    clock: Clock
    canaries: machine_peaks.Canaries
    probes: list[raw.Probe] = field(default_factory=list)
    first: int = 0

    def throughputs(self, writer: RawWriter) -> Iterator[Measured | LeftOut]:
        """The brief measurements after the comparisons."""
        asked, settings = self.request.throughput, self.request.settings
        if not asked:
            return
        brief = Request(comparisons=asked, settings=settings.brief())
        loop = replace(self, request=brief, progress=silent, first=len(self.request.comparisons))
        yield from measured_throughputs(
            asked, lambda number: loop.comparison(number, writer), settings.throughput_ns, self.clock
        )

    def floors(self, writer: RawWriter) -> list[raw.FloorSample]:
        """The calls of the graphs that do nothing, with their raw lines."""
        found = []
        for asked in self.request.floors:
            cpus = bench_cpus(self.allowed, asked.threads)
            with housekeeping(self.allowed, cpus):
                settings = self.request.settings
                found += floors.measure(asked, cpus, settings, lambda name: self.start(name, self.request.settings))
        for sample in found:
            writer.floor(sample)
        return found

    def comparison(self, number: int, writer: RawWriter) -> Measured:
        """One comparison, with its raw lines."""
        found = self._measured(number, writer)
        beside: dict[tuple[str, str], list[Message]] = {}
        for kind, arm, seen in self._extras(number):
            writer.beside(self.first + number, kind, arm, seen)
            beside.setdefault((kind, arm), []).append(seen)
        writer.end(self.first + number, found.stopped)
        return replace(found, extras=beside)

    def _extras(self, number: int) -> Iterator[optional.Line]:
        """What was asked for beside the comparison."""
        asked, settings = self.request.comparisons[number], self.request.settings
        told = specs(asked, bench_cpus(self.allowed, asked.threads))
        seed = f"{settings.seed}/{number}/extras"
        with housekeeping(self.allowed, bench_cpus(self.allowed, asked.threads)):
            yield from optional.lines(told, settings, lambda name: self.start(name, settings), seed=seed)

    def _measured(self, number: int, writer: RawWriter) -> Measured:
        """Replicates until a rule ends them."""
        asked, settings = self.request.comparisons[number], self.request.settings
        began, replicates = self.clock(), list[Replicate]()
        calls: dict[str, int] = {}
        cpus = bench_cpus(self.allowed, asked.threads)
        with housekeeping(self.allowed, cpus):
            for look in settings.looks:
                while len(replicates) < look:
                    if replicates and self.clock() - began >= settings.limit_ns * settings.hard_factor:
                        return Measured(asked, replicates, "hard limit")
                    replicates.append(self._replicate(number, len(replicates), cpus, calls))
                    keep(writer, self.first + number, replicates[-1])
                    self._visit(writer, cpus, asked.threads)
                    self._tell(number, replicates, look, began)
                if reached(asked, replicates, settings):
                    return Measured(asked, replicates, "target")
                if would_pass(settings, self.clock() - began, len(replicates)):
                    return Measured(asked, replicates, "time")
        return Measured(asked, replicates, "replicates")

    def _replicate(self, number: int, replicate: int, cpus: tuple[int, ...], calls: dict[str, int]) -> Replicate:
        asked, settings = self.request.comparisons[number], self.request.settings
        return run_replicate(
            replicate,
            specs(asked, cpus, ARMS if settings.null else (FIRST, CANDIDATE)),
            settings,
            lambda name: self.start(name, settings),
            seed=f"{settings.seed}/{number}/{replicate}",
            calls=calls,
        )

    def _visit(self, writer: RawWriter, cpus: tuple[int, ...], threads: int) -> None:
        """The machine's peaks, for a moment, while no arm is there."""
        for probe in self.canaries.visit(cpus, threads):
            writer.probe(probe)
            self.probes.append(probe)

    def _tell(self, number: int, replicates: Sequence[Replicate], look: int, began: int) -> None:
        asked = self.request.comparisons[number]
        step = Step(
            comparison=number,
            comparisons=len(self.request.comparisons),
            label=label(asked),
            replicate=len(replicates),
            look=look,
            half_width=half_width(asked, replicates, self.request.settings),
            elapsed_ns=self.clock() - began,
        )
        self.progress(step)


def label(asked: ComparisonRequest) -> str:
    """`student against teacher, onnxruntime, batch 1, 1 thread`."""
    threads = counted(asked.threads, "thread")
    return f"{asked.candidate.model} against {asked.baseline.model}, {asked.runtime}, batch {asked.batch}, {threads}"


def specs(asked: ComparisonRequest, cpus: tuple[int, ...], arms: Sequence[str] = ARMS) -> dict[str, Message]:
    """What each of the workers is told to load."""
    found = {}
    for name in arms:
        arm = asked.candidate if name == CANDIDATE else asked.baseline
        found[name] = {
            "parent": os.getpid(),
            "cpus": cpus,
            "runtime": asked.runtime,
            "threads": asked.threads,
            "batch": asked.batch,
            "artefact": str(arm.artefact),
            "sha256": arm.sha256,
            "inputs": str(arm.inputs),
            "expected": None if arm.expected is None else str(arm.expected),
            "tolerance": arm.tolerance,
        }
    return found


def keep(writer: RawWriter, comparison: int, replicate: Replicate) -> None:
    """Write a replicate's raw lines, while no arm runs."""
    for name, report in replicate.workers.items():
        writer.worker(comparison, replicate.number, name, report)
    for block in replicate.blocks:
        writer.block(comparison, replicate.number, block)


def half_width(asked: ComparisonRequest, replicates: Sequence[Replicate], settings: Settings) -> float | None:
    ratio = Measured(asked, replicates, "replicates").estimate(CANDIDATE, settings.level)
    return None if ratio is None else relative_half_width(ratio)


def reached(asked: ComparisonRequest, replicates: Sequence[Replicate], settings: Settings) -> bool:
    """Whether the interval is narrow enough."""
    width = half_width(asked, replicates, settings)
    return width is not None and width <= settings.target_half_width


def would_pass(settings: Settings, elapsed_ns: int, replicates: int) -> bool:
    """Whether the next look, at this pace, lies beyond the time limit; no when there is none."""
    later = [look for look in settings.looks if look > replicates]
    return bool(later) and elapsed_ns * later[0] > settings.limit_ns * replicates
