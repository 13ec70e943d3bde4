"""From the replicates of one comparison to its two arms and its claim, all of it a function of the raw samples.

The calls of A2 serve the A/A null alone: they are in no number of the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from kdeploy.records.bench import (
    Arm,
    Artifact,
    Comparison,
    Memory,
    Noise,
    ParityEvidence,
    Ratio,
    Roofline,
    RuntimeUse,
    WarmUps,
    Workload,
)
from kdeploy.runtimes import artefacts
from kdeploy.timing.analysis import noise, optional
from kdeploy.timing.analysis.arm_limits import limited, notes, too_fast
from kdeploy.timing.analysis.claims import Evidence, Side, judged
from kdeploy.timing.analysis.comparison import Measured, Role, asked_of, key_of, latency_of
from kdeploy.timing.analysis.gates import Surroundings, refusals, trend
from kdeploy.timing.analysis.latency import throughput
from kdeploy.timing.analysis.optional import cold_start, sustained
from kdeploy.timing.analysis.statistics import Estimate
from kdeploy.timing.raw import AGAIN, CANDIDATE, FIRST, WorkerReport
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Settings


def compared(
    measured: Measured,
    settings: Settings,
    baseline: str,
    candidate: str,
    surroundings: Surroundings,
) -> Comparison:
    """The comparison under the names of its arms."""
    request, level = measured.request, settings.level
    ratio, null = measured.estimate(CANDIDATE, level), measured.estimate(AGAIN, level)
    pairs = len(measured.log_ratios(CANDIDATE))
    loaded = measured.workers(CANDIDATE)[0].loaded
    blocks = sum(len(replicate.blocks) for replicate in measured.replicates)
    gates = refusals(measured.replicates, surroundings, settings.limits, level=level, provider=request.provider)
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
            with_null=settings.null,
            gates=(*gates, *too_fast(measured, level)),
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


def described_arm(measured: Measured, role: Role, name: str, level: float) -> Arm:
    """Everything measured of one arm."""
    request = measured.request
    arm = asked_of(measured, role)
    workers = measured.workers(key_of(role))
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
        "throughput": throughput(samples, measured.request.batch, level) if samples else None,
        "warm_up": _warm_ups(workers),
        "memory_bytes": _memory(workers),
        "cold_start_ns": cold_start(measured.extras.get(("cold", key), ()), level),
        "sustained": sustained(measured.extras.get(("window", key), ())),
        "energy_uj": optional.energy(measured.extras.get(("energy", key), ())),
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
    workers = [worker for key in keys for worker in measured.workers(key)]
    return Side(arm.model, settings, arm.quality, measured.wrong_outputs(keys), _not_as_promised(arm, workers))


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


def _not_as_promised(arm: ArmRequest, workers: Sequence[WorkerReport]) -> str:
    if arm.expected is None or all(worker.loaded["passed"] for worker in workers):
        return ""
    errors = [worker.loaded["max_abs_err"] for worker in workers]
    return "are not finite" if None in errors else f"differ by {max(errors):.2g}"


def _parity(arm: ArmRequest, workers: Sequence[WorkerReport]) -> ParityEvidence | None:
    if arm.expected is None:
        return None
    errors = [worker.loaded["max_abs_err"] for worker in workers]
    return ParityEvidence(
        evidence_sha256=artefacts.file_digest(arm.expected),
        passed=all(worker.loaded["passed"] for worker in workers),
        max_abs_err=None if None in errors else max(errors),
    )


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
