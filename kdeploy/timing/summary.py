"""From the replicates of one comparison to its two arms and its claim, all of it a function of the raw samples.

The calls of A2 serve the A/A null alone: they are in no number of the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Literal

from kdeploy.records.base import Unavailable
from kdeploy.records.bench import (
    Arm,
    Artifact,
    Comparison,
    Latency,
    Memory,
    Noise,
    ParityEvidence,
    Ratio,
    Reason,
    Roofline,
    RuntimeUse,
    Stopped,
    Throughput,
    TimeEstimate,
    WarmUps,
    Workload,
)
from kdeploy.timing import artefacts, floors, noise
from kdeploy.timing import roofline as limits
from kdeploy.timing.claims import Evidence, Side, judged
from kdeploy.timing.gates import Surroundings, refusals, trend
from kdeploy.timing.raw import AGAIN, CANDIDATE, FIRST, Replicate, WorkerReport
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Settings
from kdeploy.timing.statistics import (
    Estimate,
    block_value,
    median_absolute_deviation,
    median_estimate,
    ratio_estimate,
    replicate_log_ratio,
    replicate_percentile,
)

Role = Literal["baseline", "candidate"]

ROLES: tuple[Role, Role] = ("baseline", "candidate")
FLOAT_BYTES = 4  # an element of an input

NOISE_FIELDS = {
    "steal": "noise.steal_fraction",
    "cpu wait": "noise.cpu_wait_fraction",
    "cpu pressure": "noise.psi_cpu_some",
    "cgroup throttling": "noise.throttled_ns",
}
PERCENTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True)
class Measured:
    """One comparison, measured."""

    request: ComparisonRequest
    replicates: Sequence[Replicate]
    stopped: Stopped
    bounds: limits.Bounds = field(default_factory=limits.Bounds)

    def log_ratios(self, against: str) -> list[float]:
        """d_r of every replicate that has a block left, of A1 against another arm."""
        pairs = ((block_values(found, FIRST), block_values(found, against)) for found in self.replicates)
        return [replicate_log_ratio(baseline, other) for baseline, other in pairs if baseline]

    def estimate(self, against: str, level: float) -> Estimate | None:
        logs = self.log_ratios(against)
        return ratio_estimate(logs, level) if logs else None

    def workers(self, arm: str) -> list[WorkerReport]:
        return [replicate.workers[arm] for replicate in self.replicates]

    def samples(self, arm: str) -> list[list[int]]:
        """The calls that count, a list for each replicate that has any."""
        found = ([ns for block in replicate.counted(arm) for ns in block.ns] for replicate in self.replicates)
        return [calls for calls in found if calls]

    def wrong_outputs(self, arms: Sequence[str]) -> int:
        return sum(block.wrong for found in self.replicates for block in found.blocks if block.arm in arms)

    def void_blocks(self) -> list[str]:
        """The reason of every block that is void."""
        return [block.void for found in self.replicates for block in found.blocks if block.void]


def block_values(replicate: Replicate, arm: str) -> list[float]:
    return [block_value(block.ns) for block in replicate.counted(arm)]


def compared(
    measured: Measured, settings: Settings, baseline: str, candidate: str, surroundings: Surroundings
) -> Comparison:
    """The comparison under the names of its arms."""
    request, level = measured.request, settings.level
    ratio, null = measured.estimate(CANDIDATE, level), measured.estimate(AGAIN, level)
    pairs = len(measured.log_ratios(CANDIDATE))
    loaded = measured.workers(CANDIDATE)[0].loaded
    blocks = sum(len(replicate.blocks) for replicate in measured.replicates)
    claim = judged(
        Evidence(
            baseline=_side(measured, request.baseline, (FIRST, AGAIN)),
            candidate=_side(measured, request.candidate, (CANDIDATE,)),
            ratio=ratio,
            null=null,
            replicates=pairs,
            void_fraction=len(measured.void_blocks()) / blocks,
            runtime=request.runtime,
            version=loaded["version"],
            batch=request.batch,
            threads=request.threads,
            level=level,
            min_effect=settings.min_effect,
            most_void=settings.limits.run_void,
            gates=(
                *refusals(measured.replicates, surroundings, settings.limits, level=level, provider=request.provider),
                *too_fast(measured, level),
            ),
        )
    )
    return Comparison(
        baseline=baseline,
        candidate=candidate,
        runtime=request.runtime,
        batch=request.batch,
        threads=request.threads,
        ratio=_ratio(ratio, level, pairs),
        aa_null=_ratio(null, level, pairs),
        stopped=measured.stopped,
        claim=claim,
        notes=tuple(notes(measured, level)),
    )


def too_fast(measured: Measured, level: float) -> Iterator[Reason]:
    """R16: an arm below the limit of the machine."""
    for role in ROLES:
        found = limited(measured, role, level)
        if isinstance(found, Roofline):
            model = asked_of(measured, role).model
            yield from limits.refusals(model, found, latency_of(measured, role, level))


def notes(measured: Measured, level: float) -> Iterator[str]:
    """Which arms are bound by overhead."""
    request = measured.request
    floor_ns = measured.bounds.floor_ns(request.runtime, request.threads)
    for role in ROLES:
        latency = latency_of(measured, role, level)
        if floor_ns is not None and latency is not None:
            model = asked_of(measured, role).model
            yield from filter(None, [floors.note(model, request.runtime, latency.median.value, floor_ns)])


def limited(measured: Measured, role: Role, level: float) -> Roofline | str:
    """The roofline of an arm, or why it has none."""
    loaded = measured.workers(key_of(role))[0].loaded
    elements = sum(math.prod(shape) for shape in loaded["input_shapes"].values())
    subject = limits.Subject(
        runtime=measured.request.runtime,
        threads=measured.request.threads,
        precision=loaded["settings"].get("precision"),
        input_bytes=FLOAT_BYTES * elements,
        compute=asked_of(measured, role).compute,
        latency=latency_of(measured, role, level),
    )
    return limits.roofline(subject, measured.bounds)


def asked_of(measured: Measured, role: Role) -> ArmRequest:
    return measured.request.baseline if role == "baseline" else measured.request.candidate


def key_of(role: Role) -> str:
    return FIRST if role == "baseline" else CANDIDATE


def latency_of(measured: Measured, role: Role, level: float) -> Latency | None:
    samples = measured.samples(key_of(role))
    return _latency(measured, key_of(role), samples, level) if samples else None


def described_arm(measured: Measured, role: Role, name: str, level: float) -> Arm:
    """Everything measured of one arm."""
    request = measured.request
    arm = request.baseline if role == "baseline" else request.candidate
    workers = measured.workers(FIRST if role == "baseline" else CANDIDATE)
    return Arm(
        name=name,
        model=arm.model,
        role=role,
        artifact=_artifact(arm),
        runtime=_runtime(request, workers[0]),
        workload=_workload(request, arm, workers[0]),
        parity=_parity(arm, workers),
        quality=arm.quality,
        compute=arm.compute,
        **figures(measured, role, level),
    )


def figures(measured: Measured, role: Role, level: float) -> dict[str, Any]:
    """The fields of an arm that are computed from its samples."""
    key = key_of(role)
    workers, samples = measured.workers(key), measured.samples(key)
    roofline = limited(measured, role, level)
    return {
        "latency_ns": latency_of(measured, role, level),
        "roofline": roofline if isinstance(roofline, Roofline) else None,
        "throughput": _throughput(samples, measured.request.batch, level) if samples else None,
        "warm_up": _warm_ups(workers),
        "memory_bytes": _memory(workers),
    }


def noise_of(measured: Sequence[Measured], level: float) -> Noise:
    """What disturbed all comparisons together; of the trends, the strongest."""
    blocks = [block for one in measured for found in one.replicates for block in found.blocks]
    reasons = [block.void for block in blocks if block.void]
    throttled = [noise.change(block.counters, "throttled_ns") for block in blocks]
    read = [spent for spent in throttled if spent is not None]
    trends = [found for one in measured if (found := trend(one.replicates, level)) is not None]
    return Noise(
        steal_fraction=noise.total_share(blocks, "steal_ns"),
        cpu_wait_fraction=noise.total_share(blocks, "wait_ns"),
        psi_cpu_some=noise.total_share(blocks, "pressure_ns"),
        throttled_ns=sum(read) if read else None,
        blocks_total=len(blocks),
        blocks_void=len(reasons),
        void_reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        trend_per_hour=max((found.slope.value for found in trends), key=abs, default=None),
        unobserved=(*noise.unobserved(blocks), *(() if trends else ("trend",)), "canary"),
    )


def not_observed(measured: Sequence[Measured], found: Noise) -> Iterator[Unavailable]:
    """Why the signals of `unobserved`, and the figures that are null for their sake, were not read."""
    blocks = [block for one in measured for replicate in one.replicates for block in replicate.blocks]
    for signal, reason in noise.unobserved(blocks).items():
        yield Unavailable(field=NOISE_FIELDS.get(signal, f"noise.unobserved.{signal}"), reason=reason)
    if found.trend_per_hour is None:
        yield Unavailable(field="noise.trend_per_hour", reason="there are no two replicates to compare")


def not_measured(measured: Measured, arm: Arm, level: float) -> Iterator[Unavailable]:
    """The fields of an arm that are null because of what was asked or seen, each with its reason."""
    place = f"arms[{arm.name}]"
    if arm.parity is None:
        yield Unavailable(field=f"{place}.parity", reason="no expected outputs were given")
    if arm.quality is None:
        yield Unavailable(field=f"{place}.quality", reason="no quality was given")
    if arm.compute is None:
        yield Unavailable(field=f"{place}.compute", reason="no count was given")
    roofline = limited(measured, arm.role, level)
    if isinstance(roofline, str):
        yield Unavailable(field=f"{place}.roofline", reason=roofline)
    if arm.memory_bytes is None:
        yield Unavailable(field=f"{place}.memory_bytes", reason="/proc/self/clear_refs or status cannot be used")
    samples = measured.samples(FIRST if arm.role == "baseline" else CANDIDATE)
    if not samples:
        yield Unavailable(field=f"{place}.latency_ns", reason="every block is void")
        yield Unavailable(field=f"{place}.throughput", reason="every block is void")
        return
    for name, fraction in PERCENTILES.items():
        _, reason = replicate_percentile(samples, fraction)
        if reason:
            yield Unavailable(field=f"{place}.latency_ns.{name}", reason=reason)


def _side(measured: Measured, arm: ArmRequest, keys: tuple[str, ...]) -> Side:
    """Settings that differ between replicates of one arm show as both values."""
    settings: dict[str, str] = {}
    for key in keys:
        for worker in measured.workers(key):
            cpus = ",".join(map(str, worker.loaded["cpus"]))
            found = {**worker.loaded["settings"], "version": worker.loaded["version"], "cpus": cpus}
            for name, value in found.items():
                if settings.setdefault(name, value) != value:
                    settings[name] = f"{settings[name]} and {value}"
    return Side(arm.model, settings, arm.quality, measured.wrong_outputs(keys))


def _ratio(estimate: Estimate | None, level: float, pairs: int) -> Ratio | None:
    if estimate is None:
        return None
    return Ratio(value=estimate.value, ci=estimate.interval, level=level, n_pairs=pairs)


def _artifact(arm: ArmRequest) -> Artifact:
    return Artifact(
        path=str(arm.artefact),
        sha256=artefacts.digest(arm.artefact),
        bytes=artefacts.size_bytes(arm.artefact),
        format=arm.artefact.suffix.removeprefix(".") or "unknown",
    )


def _runtime(request: ComparisonRequest, worker: WorkerReport) -> RuntimeUse:
    settings: dict[str, str] = worker.loaded["settings"]
    provider = settings.get("provider")
    spinning = settings.get("spinning")
    return RuntimeUse(
        name=request.runtime,
        version=worker.loaded["version"],
        provider_requested=(request.provider,),
        provider_effective=None if provider is None else tuple(provider.split(",")),
        precision_effective=settings.get("precision"),
        threads=int(settings.get("threads", request.threads)),
        optimization=settings.get("optimization"),
        allow_spinning=None if spinning is None else spinning == "on",
        options=settings,
    )


def _workload(request: ComparisonRequest, arm: ArmRequest, worker: WorkerReport) -> Workload:
    return Workload(
        scenario="single_stream" if request.batch == 1 else "batch",
        batch=request.batch,
        input_set_sha256=artefacts.file_digest(arm.inputs),
        n_distinct_inputs=worker.loaded["distinct_inputs"],
        input_shapes=worker.loaded["input_shapes"],
    )


def _parity(arm: ArmRequest, workers: Sequence[WorkerReport]) -> ParityEvidence | None:
    if arm.expected is None:
        return None
    errors = [worker.loaded["max_abs_err"] for worker in workers]
    return ParityEvidence(
        evidence_sha256=artefacts.file_digest(arm.expected),
        passed=all(worker.loaded["passed"] for worker in workers),
        max_abs_err=None if None in errors else max(errors),
    )


def _latency(measured: Measured, key: str, samples: Sequence[Sequence[int]], level: float) -> Latency:
    calls = [ns for replicate in samples for ns in replicate]
    medians = [median(values) for found in measured.replicates if (values := block_values(found, key))]
    centre = median_estimate(medians, level)
    tail = {name: _percentile(samples, fraction) for name, fraction in PERCENTILES.items()}
    bounds = centre.interval
    return Latency(
        n_calls=len(calls),
        n_replicates=len(samples),
        mean=round(fmean(calls)),
        median=TimeEstimate(
            value=round(centre.value),
            ci=None if bounds is None else (round(bounds[0]), round(bounds[1])),
            level=level,
            method="order-stat/replicates",
        ),
        min=min(calls),
        max=max(calls),
        mad=round(median_absolute_deviation(calls)),
        p90=tail["p90"],
        p95=tail["p95"],
        p99=tail["p99"],
        p999=tail["p999"],
    )


def _percentile(samples: Sequence[Sequence[int]], fraction: float) -> TimeEstimate | None:
    value, _ = replicate_percentile(samples, fraction)
    return None if value is None else TimeEstimate(value=round(value))


def _throughput(samples: Sequence[Sequence[int]], batch: int, level: float) -> Throughput:
    """calls x batch / total time of every replicate, and their median."""
    found = median_estimate([len(calls) * batch * 1e9 / sum(calls) for calls in samples], level)
    return Throughput(value=found.value, ci=found.interval)


def _warm_ups(workers: Sequence[WorkerReport]) -> WarmUps:
    return WarmUps(
        calls=round(median(worker.warm_up["calls"] for worker in workers)),
        duration_ns=round(median(worker.warm_up["duration_ns"] for worker in workers)),
        unsteady=sum(not worker.warm_up["steady"] for worker in workers),
    )


def _memory(workers: Sequence[WorkerReport]) -> Memory | None:
    pairs = [(worker.peak_rss_bytes, worker.loaded["import_baseline_bytes"]) for worker in workers]
    read = [(peak, baseline) for peak, baseline in pairs if peak is not None and baseline is not None]
    if not read:
        return None
    return Memory(
        peak_rss=round(median(peak for peak, _ in read)),
        import_baseline=round(median(baseline for _, baseline in read)),
        model_increment=round(median(peak - baseline for peak, baseline in read)),
    )


def arm_names(request: ComparisonRequest, taken: set[str]) -> tuple[str, str]:
    """`teacher@onnxruntime-b1-t1` and its like, with `-2` and so on where that name is taken."""
    found = []
    for arm in (request.baseline, request.candidate):
        plain = f"{arm.model}@{request.runtime}-b{request.batch}-t{request.threads}"
        number = 1
        while (name := plain if number == 1 else f"{plain}-{number}") in taken:
            number += 1
        taken.add(name)
        found.append(name)
    return found[0], found[1]
