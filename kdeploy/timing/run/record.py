"""The record of a finished measurement: its figures, and what it was measured on and with."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BenchRecord
from kdeploy.records.circumstances import Host, Package, PairCost, Software, Timer, Tool
from kdeploy.system import host as machine
from kdeploy.timing import raw
from kdeploy.timing.analysis.comparison import Measured
from kdeploy.timing.analysis.gates import Surroundings
from kdeploy.timing.analysis.statistics import percentile
from kdeploy.timing.analysis.summary import arm_names, compared, described_arm, noise_of
from kdeploy.timing.machine.cpus import bench_cpus
from kdeploy.timing.raw import CANDIDATE
from kdeploy.timing.request import Request
from kdeploy.timing.run.missing_fields import not_measured, not_observed

Clock = Callable[[], int]

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
    "arms[].memory_bytes.pss",
    "comparison[].holm_level",
    *("arms[].artifact.opset", "arms[].artifact.ir_version", "arms[].runtime.interop_threads"),
    *("tool.commit", "software.packages[].sha256", "noise.canary_drift"),
)


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
            missing += not_measured(one, found, request.settings)
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
