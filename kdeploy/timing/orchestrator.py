"""The measurement: replicate processes, interleaved, pinned, looked at three times.

    for each comparison: for look in 12, 24, 48 replicates: measure up to it; stop when the interval is narrow enough
                         (half-width <= 2 %), or when the time would pass before the next look

The arms run on the last CPUs this process may use, the orchestrator on the others. The clock, the time of day and the
start of a worker are arguments, so the loop is tested without waiting.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from kdeploy import machine
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import (
    BenchRecord,
    Host,
    Package,
    PairCost,
    Software,
    Timer,
    Tool,
)
from kdeploy.timing import floors, peaks, processes, raw
from kdeploy.timing.claims import counted
from kdeploy.timing.gates import Surroundings
from kdeploy.timing.raw import ARMS, CANDIDATE, RawWriter, Replicate
from kdeploy.timing.replicate import run_replicate
from kdeploy.timing.request import ComparisonRequest, Request, Settings
from kdeploy.timing.roofline import bounds_of
from kdeploy.timing.statistics import percentile, relative_half_width
from kdeploy.timing.summary import (
    Measured,
    arm_names,
    compared,
    described_arm,
    noise_of,
    not_measured,
    not_observed,
)
from kdeploy.timing.wire import Message

Clock = Callable[[], int]
StartWorker = Callable[[str, Settings], processes.Arm]

_PACKAGES = ("kdeploy", "numpy", "onnx", "onnxruntime", "openvino")
_TELLING_VARIABLES = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "ORT_",
    "OV_",
    "MALLOC_",
    "LD_PRELOAD",
    "PYTHONHASH",
)
_NOT_YET = (
    *(
        "arms[].cold_start_ns",
        "arms[].sustained",
        "arms[].energy_uj",
        "arms[].memory_bytes.pss",
    ),
    *("arms[].latency_ns.*.ci of percentiles", "arms[].latency_ns.mlperf_upper", "comparison[].holm_level"),
    *("arms[].artifact.opset", "arms[].artifact.ir_version", "arms[].runtime.interop_threads"),
    *("tool.commit", "software.packages[].sha256", "noise.canary_drift"),
)


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


def start_worker(name: str, settings: Settings) -> processes.Arm:
    """An arm in a fresh process."""
    return processes.WorkerProcess(name, patience_s=settings.patience_s)


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
    start_probe: peaks.StartProbe = peaks.start_probe,
    clock: Clock = time.perf_counter_ns,
    now: Callable[[], datetime] = local_now,
) -> BenchRecord:
    """Measure every comparison, with the raw samples in `folder/raw.jsonl.gz`.

    Raises: what a worker reports (ModelError, DataError, MissingError, IntegrityError), ResourceError when one dies or
    falls silent, ClaimError when the clock does not advance.
    """
    created, began = now(), clock()
    allowed = machine.allowed_cpus()
    caches, settings = machine.caches_bytes(), request.settings
    folder.mkdir(parents=True, exist_ok=True)
    with (
        RawWriter(folder / raw.NAME) as writer,
        closing(peaks.Canaries(caches, settings, start=start_probe, clock=clock)) as canaries,
    ):
        loop = Loop(request, allowed, progress, start, clock, canaries)
        writer.request(request)
        nothing = loop.floors(writer)
        measured = [loop.comparison(number, writer) for number in range(len(request.comparisons))]
    bounds = bounds_of(nothing, loop.probes, caches, settings.level)
    measured = [replace(one, bounds=bounds) for one in measured]
    return assembled(request, measured, allowed, folder, created=created, began=began, clock=clock)


@dataclass(frozen=True)
class Loop:
    """What stays the same over the comparisons of one measurement."""

    request: Request
    allowed: tuple[int, ...]
    progress: Callable[[Step], None]
    start: StartWorker
    clock: Clock
    canaries: peaks.Canaries
    probes: list[raw.Probe] = field(default_factory=list)

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
        writer.end(number, found.stopped)
        return found

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
                    keep(writer, number, replicates[-1])
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
            specs(asked, cpus),
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


def specs(asked: ComparisonRequest, cpus: tuple[int, ...]) -> dict[str, Message]:
    """What each of the three workers is told to load."""
    found = {}
    for name in ARMS:
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


def bench_cpus(allowed: tuple[int, ...], threads: int) -> tuple[int, ...]:
    """The last CPUs that are allowed, one a thread: the first ones serve most interrupts."""
    return allowed[-threads:]


@contextmanager
def housekeeping(allowed: tuple[int, ...], busy: tuple[int, ...]) -> Iterator[None]:
    """Stay off the CPUs that are measured, where there are others."""
    others = tuple(cpu for cpu in allowed if cpu not in busy)
    if not others:
        yield
        return
    processes.pin(others)
    try:
        yield
    finally:
        processes.pin(allowed)


def assembled(
    request: Request,
    measured: Sequence[Measured],
    allowed: tuple[int, ...],
    folder: Path,
    *,
    created: datetime,
    began: int,
    clock: Clock,
) -> BenchRecord:
    """The record of a finished measurement."""
    arms, comparisons, missing, taken = [], [], list[Unavailable](), set[str]()
    host = described_host(allowed, max(one.request.threads for one in measured))
    surroundings = Surroundings(timer(clock), host.power_source)
    noise = noise_of(measured, request.settings.level)
    for one in measured:
        baseline, candidate = arm_names(one.request, taken)
        comparisons.append(compared(one, request.settings, baseline, candidate, surroundings))
        for found in (
            described_arm(one, "baseline", baseline, request.settings.level),
            described_arm(one, "candidate", candidate, request.settings.level),
        ):
            arms.append(found)
            missing += not_measured(one, found, request.settings.level)
    missing += not_observed(measured, noise)
    null_sut = measured[0].bounds.null_sut
    if null_sut is None:
        missing.append(Unavailable(field="null_sut", reason="no graph that does nothing was given"))
    return BenchRecord(
        id=str(uuid.uuid4()),
        created=created.isoformat(),
        tool=Tool(name="kdeploy", version=machine.library_versions(["kdeploy"]).get("kdeploy", "unknown")),
        command=request.command,
        seed=request.settings.seed,
        duration_ns=clock() - began,
        host=host,
        software=software(measured),
        timer=surroundings.timer,
        arms=tuple(arms),
        null_sut=null_sut,
        comparison=tuple(comparisons),
        noise=noise,
        unavailable=(*missing, *unread(host), *(Unavailable(field=f, reason="not measured yet") for f in _NOT_YET)),
        raw=raw.described(folder / raw.NAME),
    )


def described_host(allowed: tuple[int, ...], threads: int) -> Host:
    busy = bench_cpus(allowed, threads)
    others = tuple(cpu for cpu in allowed if cpu not in busy)
    facts = asdict(machine.host_facts())
    return Host(**facts, bench_cpus=busy, housekeeping_cpus=others, power_source=machine.power_source())


def unread(host: Host) -> Iterator[Unavailable]:
    """The facts of the host that this system does not show."""
    for name, value in host:
        if value is None:
            reason = "unlimited, or not readable" if name == "cgroup_cpu_quota" else "not readable on this system"
            yield Unavailable(field=f"host.{name}", reason=reason)
    if not host.housekeeping_cpus:
        reason = "no CPU is left beside those measured; the orchestrator shares them"
        yield Unavailable(field="host.housekeeping_cpus", reason=reason)


def software(measured: Sequence[Measured]) -> Software:
    packages = machine.library_versions(_PACKAGES)
    return Software(
        python=platform.python_version(),
        runtimes={one.request.runtime: one.workers(CANDIDATE)[0].loaded["version"] for one in measured},
        packages=tuple(Package(name=name, version=version) for name, version in packages.items()),
        env={name: value for name, value in sorted(os.environ.items()) if name.startswith(_TELLING_VARIABLES)},
    )


def timer(clock: Clock) -> Timer:
    """The clock's own cost, from a thousand pairs of readings."""
    pairs = [-clock() + clock() for _ in range(1000)]
    resolution = round(time.get_clock_info("perf_counter").resolution * 1e9)
    cost = PairCost(median=round(median(pairs)), p99=percentile(pairs, 0.99))
    return Timer(clock="perf_counter_ns", resolution_ns=max(1, resolution), pair_cost_ns=cost)
