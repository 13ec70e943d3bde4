"""The record of a finished measurement: its figures, and what it was measured on and with."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from kdeploy.formatting.places import without_places
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BenchRecord, Noise
from kdeploy.records.circumstances import Host, Package, PairCost, Software, Timer, Tool
from kdeploy.system import host as machine
from kdeploy.timing import raw
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import Surroundings
from kdeploy.timing.analysis.roofline import Bounds
from kdeploy.timing.analysis.run_noise import not_observed, run_noise
from kdeploy.timing.analysis.statistics import percentile
from kdeploy.timing.analysis.summary import Summary, summaries
from kdeploy.timing.analysis.throughput import throughputs
from kdeploy.timing.machine import energy
from kdeploy.timing.machine.cpus import bench_cpus
from kdeploy.timing.request import Request, Settings
from kdeploy.timing.run.arm_record import arm_record
from kdeploy.timing.run.throughput import LeftOut

Clock = Callable[[], int]

_PACKAGES = ("kdeploy", "numpy", "onnx", "onnxruntime", "openvino")
# variables that steer the runtimes, and what begins like them
_TELLING_VARIABLES = {
    "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "KMP_HW_SUBSET",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MALLOC_CONF",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MKL_CBWR",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "MKL_THREADING_LAYER",
    "OMP_DYNAMIC",
    "OMP_MAX_ACTIVE_LEVELS",
    "OMP_NUM_THREADS",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "OMP_SCHEDULE",
    "OMP_STACKSIZE",
    "OMP_THREAD_LIMIT",
    "OMP_WAIT_POLICY",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "ORT_DISABLE_TELEMETRY",
    "PYTHONHASHSEED",
}
_TELLING_PREFIXES = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ORT_", "OV_", "MALLOC_", "LD_PRELOAD", "PYTHONHASH")


@dataclass(frozen=True)
class Measurement:
    """A finished measurement: its request, its comparisons, the brief throughputs and the bounds."""

    request: Request
    comparisons: Sequence[MeasuredComparison]
    throughput: Sequence[MeasuredComparison]
    left_out: Sequence[LeftOut]
    bounds: Bounds


def assembled(
    measurement: Measurement, allowed: tuple[int, ...], folder: Path, *, created: datetime, began: int, clock: Clock
) -> BenchRecord:
    """The record of a finished measurement, whose raw samples are in the folder; `allowed` are the CPUs there were."""
    request, settings = measurement.request, measurement.request.settings
    host = described_host(allowed, max(one.request.threads for one in measurement.comparisons))
    surroundings = Surroundings(timer(clock), host.power_source)
    summed_up = summaries(measurement.comparisons, measurement.bounds, settings, surroundings)
    noise = run_noise(measurement.comparisons, settings.level)
    return BenchRecord(
        id=str(uuid.uuid4()),
        created=created.isoformat(),
        tool=Tool(name="kdeploy", version=machine.library_versions(["kdeploy"]).get("kdeploy", "unknown")),
        command=request.command,
        seed=settings.seed,
        duration_ns=clock() - began,
        host=host,
        software=software(measurement.comparisons),
        timer=surroundings.timer,
        arms=tuple(arm_record(one.measured, arm) for one in summed_up for arm in one.arms),
        null_sut=measurement.bounds.null_sut,
        comparison=tuple(one.comparison for one in summed_up),
        throughput=throughputs(measurement.throughput),
        noise=noise,
        unavailable=(*missing_figures(summed_up, settings), *missing_facts(measurement, noise, host)),
        raw=raw.described(folder / raw.NAME),
    )


def missing_figures(summed_up: Sequence[Summary], settings: Settings) -> Iterator[Unavailable]:
    """The figures of the arms that are null, each with its reason."""
    unreadable = energy.unreadable() if settings.energy else None
    for result in (arm for one in summed_up for arm in one.arms):
        reasons = dict(result.why_null)
        if "energy_uj" in reasons:
            reasons["energy_uj"] = unreadable or reasons["energy_uj"]
        for field, reason in reasons.items():
            yield Unavailable(field=f"arms[{result.name}].{field}", reason=reason)


def missing_facts(measurement: Measurement, noise: Noise, host: Host) -> Iterator[Unavailable]:
    """The facts outside of the arms that are null, each with its reason."""
    yield from not_observed(measurement.comparisons, noise)
    if measurement.bounds.null_sut is None:
        yield Unavailable(field="null_sut", reason="no graph that does nothing was given")
    yield from unread(host)
    yield from (setting.unavailable() for setting in measurement.left_out)


def described_host(allowed: tuple[int, ...], threads: int) -> Host:
    """This machine, and which of its CPUs were measured."""
    busy = bench_cpus(allowed, threads)
    others = tuple(cpu for cpu in allowed if cpu not in busy)
    facts = machine.host_facts().model_dump()
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


def software(measured: Sequence[MeasuredComparison]) -> Software:
    """Versions of Python, the runtimes and the packages, and the variables that steer them."""
    packages = machine.library_versions(_PACKAGES)
    return Software(
        python=platform.python_version(),
        runtimes={one.request.runtime: one.workers("candidate")[0].loaded["version"] for one in measured},
        packages=tuple(Package(name=name, version=version) for name, version in packages.items()),
        env=telling_variables(os.environ),
    )


def telling_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that steer the runtimes.

    Of one that nobody knows, whose value may be a secret, it is only said that it is set.
    """
    return {
        name: without_places(value) if name in _TELLING_VARIABLES else "(set)"
        for name, value in sorted(environment.items())
        if name.startswith(_TELLING_PREFIXES)
    }


def timer(clock: Clock) -> Timer:
    """The clock's own cost, from a thousand pairs of readings."""
    pairs = [-clock() + clock() for _ in range(1000)]
    resolution = round(time.get_clock_info("perf_counter").resolution * 1e9)
    cost = PairCost(median=round(median(pairs)), p99=percentile(pairs, 0.99))
    return Timer(clock="perf_counter_ns", resolution_ns=max(1, resolution), pair_cost_ns=cost)
