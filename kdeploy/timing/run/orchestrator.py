"""The measurement: replicate processes, interleaved, pinned, looked at three times.

    for each comparison: for look in 12, 24, 48 replicates: measure up to it; stop when the interval is narrow enough
                         (half-width <= 2 %), or when the time would pass before the next look

The arms run on the last CPUs this process may use, the orchestrator on the others. The clock, the time of day and the
start of a worker are arguments, so the loop is tested without waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kdeploy.records.bench import BenchRecord, Stopped
from kdeploy.system import host
from kdeploy.timing import raw
from kdeploy.timing.analysis.claims import counted
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.roofline import bounds_of
from kdeploy.timing.analysis.statistics import relative_half_width
from kdeploy.timing.machine.cpus import bench_cpus, housekeeping
from kdeploy.timing.raw import OptionalSamples, RawWriter, Replicate
from kdeploy.timing.request import PAIR, ROLES, ComparisonRequest, Request, Role, Settings
from kdeploy.timing.run import machine_peaks, optional
from kdeploy.timing.run.call_overhead import floor_samples
from kdeploy.timing.run.commands import generator_of_turns, specs
from kdeploy.timing.run.quiet import Watch
from kdeploy.timing.run.record import Clock, Measurement, assembled
from kdeploy.timing.run.replicate import run_replicate
from kdeploy.timing.run.throughput import LeftOut, measured_throughputs
from kdeploy.timing.run.worker_process import Worker, WorkerProcess


@dataclass(frozen=True)
class Step:
    """The progress of a measurement, reported after every replicate. `label` is the comparison in words."""

    comparison: int
    comparisons: int
    label: str
    replicate: int
    look: int  # the replicates at which the interval is looked at next
    half_width: float | None
    elapsed_ns: int


def start_worker(name: str, settings: Settings) -> Worker:
    """An arm in a fresh process."""
    return WorkerProcess(name, patience_s=settings.patience_s)


def local_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def silent(step: Step) -> None:
    """Progress that is reported to nobody."""


def measure(
    request: Request,
    folder: Path,
    *,
    progress: Callable[[Step], None] = silent,
    start: Callable[[str, Settings], Worker] = start_worker,
    start_probe: machine_peaks.StartProbe = machine_peaks.start_probe,
    watch: Watch | None = None,
    clock: Clock = time.perf_counter_ns,
    now: Callable[[], datetime] = local_now,
) -> BenchRecord:
    """Measure every comparison, with the raw samples in `folder/raw.jsonl.gz`.

    Args:
        watch: says what disturbs the measurement, and waits for quiet; None looks at nothing.
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
        loop = Loop(request, writer, allowed, progress, start, clock, canaries, watch)
        writer.request(request)
        floors = list(loop.floors())
        comparisons = [loop.comparison(number) for number in range(len(request.comparisons))]
        brief = list(loop.throughputs())
    measurement = Measurement(
        request=request,
        comparisons=comparisons,
        throughput=[one for one in brief if isinstance(one, MeasuredComparison)],
        left_out=[one for one in brief if isinstance(one, LeftOut)],
        bounds=bounds_of(floors, loop.probes, caches, settings.level),
    )
    return assembled(measurement, allowed, folder, created=created, began=began, clock=clock)


@dataclass(frozen=True)
class Loop:
    """The loop over the comparisons of one measurement; `first` is the number of the first one in the file."""

    request: Request
    writer: RawWriter
    allowed: tuple[int, ...]
    progress: Callable[[Step], None]
    start: Callable[[str, Settings], Worker]
    clock: Clock
    canaries: machine_peaks.Canaries
    watch: Watch | None = None
    probes: list[raw.Probe] = field(default_factory=list)
    first: int = 0

    def throughputs(self) -> Iterator[MeasuredComparison | LeftOut]:
        """The brief measurements after the comparisons."""
        request, settings = self.request, self.request.settings
        if not request.throughput:
            return
        brief = Request(comparisons=request.throughput, settings=settings.brief())
        loop = replace(self, request=brief, progress=silent, watch=None, first=len(request.comparisons))
        yield from measured_throughputs(request.throughput, loop.comparison, settings.throughput_ns, self.clock)

    def floors(self) -> Iterator[raw.FloorSample]:
        """The calls of the graphs that do nothing, with their raw lines."""
        for floor in self.request.floors:
            cpus = bench_cpus(self.allowed, floor.threads)
            self._be_quiet(floor.threads)
            with housekeeping(self.allowed, cpus):
                for sample in floor_samples(floor, cpus, self.request.settings, self._start):
                    self.writer.floor(sample)
                    yield sample

    def comparison(self, number: int) -> MeasuredComparison:
        """One comparison, with its raw lines."""
        comparison = self.request.comparisons[number]
        with housekeeping(self.allowed, bench_cpus(self.allowed, comparison.threads)):
            replicates, stopped = self._replicates(number)
            alone = self._optional(number)
        self.writer.end(self.first + number, stopped)
        return MeasuredComparison(comparison, replicates, stopped, alone)

    def _be_quiet(self, threads: int) -> None:
        if self.watch is not None:
            self.watch.before(threads)

    def _waited_ns(self) -> int:
        return 0 if self.watch is None else self.watch.waited_ns

    def _start(self, name: str) -> Worker:
        return self.start(name, self.request.settings)

    def _optional(self, number: int) -> dict[Role, OptionalSamples]:
        """The optional measurements of each arm alone, with their raw lines."""
        comparison, settings = self.request.comparisons[number], self.request.settings
        models, place = specs(comparison, bench_cpus(self.allowed, comparison.threads), PAIR), self.first + number
        samples: dict[Role, OptionalSamples] = {role: OptionalSamples() for role in PAIR}
        seed = f"{settings.seed}/{number}/extras"
        for role, start in optional.cold_starts(models, settings, self._start, seed=seed):
            self.writer.cold_start(place, role, start)
            samples[role].cold_starts.append(start)
        for role in PAIR:
            for window in optional.windows(models[role], role, settings, self._start):
                self.writer.window(place, role, window)
                samples[role].windows.append(window)
            for block in optional.energy_blocks(models[role], role, settings, self._start):
                self.writer.energy(place, role, block)
                samples[role].energy.append(block)
        return samples

    def _replicates(self, number: int) -> tuple[list[Replicate], Stopped]:
        """Replicates until a rule ends them, and that rule."""
        comparison, settings = self.request.comparisons[number], self.request.settings
        began, waited, replicates = self.clock(), self._waited_ns(), list[Replicate]()
        calls: dict[Role, int] = {}
        for look in settings.looks:
            while len(replicates) < look:
                self._be_quiet(comparison.threads)
                elapsed = self.clock() - began - self._waited_ns() + waited
                if replicates and elapsed >= settings.limit_ns * settings.hard_factor:
                    return replicates, "hard limit"
                replicates.append(self._replicate(number, len(replicates), calls))
                keep(self.writer, self.first + number, replicates[-1])
                self._visit(comparison.threads)
                self._tell(number, replicates, look, began)
            if reached(comparison, replicates, settings):
                return replicates, "target"
            if would_pass(settings, self.clock() - began - self._waited_ns() + waited, len(replicates)):
                return replicates, "time"
        return replicates, "replicates"

    def _replicate(self, number: int, replicate: int, calls: dict[Role, int]) -> Replicate:
        comparison, settings = self.request.comparisons[number], self.request.settings
        cpus = bench_cpus(self.allowed, comparison.threads)
        return run_replicate(
            replicate,
            specs(comparison, cpus, ROLES if settings.null else PAIR),
            settings,
            self._start,
            generator=generator_of_turns(f"{settings.seed}/{number}/{replicate}"),
            calls=calls,
        )

    def _visit(self, threads: int) -> None:
        """The machine's peaks, for a moment, while no arm is there."""
        for probe in self.canaries.visit(bench_cpus(self.allowed, threads), threads):
            self.writer.probe(probe)
            self.probes.append(probe)

    def _tell(self, number: int, replicates: Sequence[Replicate], look: int, began: int) -> None:
        comparison = self.request.comparisons[number]
        step = Step(
            comparison=number,
            comparisons=len(self.request.comparisons),
            label=label(comparison),
            replicate=len(replicates),
            look=look,
            half_width=half_width(comparison, replicates, self.request.settings),
            elapsed_ns=self.clock() - began,
        )
        self.progress(step)


def label(comparison: ComparisonRequest) -> str:
    """The comparison in words: `student against teacher, onnxruntime, batch 1, 1 thread`."""
    models = f"{comparison.candidate.model} against {comparison.baseline.model}"
    return f"{models}, {comparison.runtime}, batch {comparison.batch}, {counted(comparison.threads, 'thread')}"


def keep(writer: RawWriter, comparison: int, replicate: Replicate) -> None:
    """Write a replicate's raw lines, while no arm runs."""
    for role, report in replicate.workers.items():
        writer.worker(comparison, replicate.number, role, report)
    for block in replicate.blocks:
        writer.block(comparison, replicate.number, block)


def half_width(comparison: ComparisonRequest, replicates: Sequence[Replicate], settings: Settings) -> float | None:
    """Half the width of the ratio's interval, relative; None while there is no interval."""
    ratio = MeasuredComparison(comparison, replicates, "replicates").ratio("candidate", settings.level)
    return None if ratio is None else relative_half_width(ratio)


def reached(comparison: ComparisonRequest, replicates: Sequence[Replicate], settings: Settings) -> bool:
    """Whether the interval is narrow enough."""
    width = half_width(comparison, replicates, settings)
    return width is not None and width <= settings.target_half_width


def would_pass(settings: Settings, elapsed_ns: int, replicates: int) -> bool:
    """Whether the next look, at this pace, lies beyond the time limit; no when there is none."""
    later = [look for look in settings.looks if look > replicates]
    return bool(later) and elapsed_ns * later[0] > settings.limit_ns * replicates
