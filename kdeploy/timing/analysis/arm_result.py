"""One arm's figures, made once from its raw samples: each is there, or has its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from kdeploy.records.bench import ColdStart, Energy, Latency, Memory, Roofline, Sustained, Throughput, WarmUps
from kdeploy.timing.analysis import optional
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.latency import Calls, latency, left_out, throughput
from kdeploy.timing.analysis.roofline import Bounds, Subject, roofline
from kdeploy.timing.raw import OptionalSamples, WorkerReport
from kdeploy.timing.request import ArmRequest, ModelRole

FLOAT_BYTES = 4  # an element of an input


@dataclass(frozen=True)
class ArmResult:
    """The figures of one arm. `why_null` has the reason of each field of its record that is None, by its name there.

    `call_floor_ns` is what its runtime takes for a graph that does nothing, where that was measured.
    """

    name: str
    role: ModelRole
    request: ArmRequest
    latency: Latency | None
    throughput: Throughput | None
    roofline: Roofline | None
    call_floor_ns: int | None
    warm_up: WarmUps
    memory: Memory | None
    cold_start: ColdStart | None
    sustained: Sustained | None
    energy: Energy | None
    why_null: Mapping[str, str]

    def fields(self) -> dict[str, Any]:
        """The fields of a record's arm that these figures fill, by name."""
        return {
            "name": self.name,
            "model": self.request.model,
            "role": self.role,
            "quality": self.request.quality,
            "compute": self.request.compute,
            "latency_ns": self.latency,
            "throughput": self.throughput,
            "roofline": self.roofline,
            "warm_up": self.warm_up,
            "memory_bytes": self.memory,
            "cold_start_ns": self.cold_start,
            "sustained": self.sustained,
            "energy_uj": self.energy,
        }


def arm_result(measured: MeasuredComparison, role: ModelRole, name: str, bounds: Bounds, level: float) -> ArmResult:
    """The figures of an arm, with intervals at this level; `bounds` are the floors and peaks of its machine."""
    comparison, samples, workers = measured.request, measured.samples(role), measured.workers(role)
    arm, alone = comparison.arm(role), measured.optional.get(role, OptionalSamples())
    times = latency(measured.block_values(role), samples, level) if samples else None
    limit = roofline(_subject(measured, role, times), bounds)
    memory, cold_start = _memory(workers), optional.cold_start(alone.cold_starts, level)
    return ArmResult(
        name=name,
        role=role,
        request=arm,
        latency=times,
        throughput=throughput(samples, comparison.batch, level) if samples else None,
        roofline=limit if isinstance(limit, Roofline) else None,
        call_floor_ns=bounds.floor_ns(comparison.runtime, comparison.threads),
        warm_up=_warm_ups(workers),
        memory=memory,
        cold_start=cold_start,
        sustained=optional.sustained(alone.windows),
        energy=optional.energy(alone.energy),
        why_null={
            **_not_given(arm),
            **({"roofline": limit} if isinstance(limit, str) else {}),
            **({} if memory else {"memory_bytes": "/proc/self/clear_refs or status cannot be used"}),
            **_not_asked_for(alone, cold_start),
            **dict(_too_few_calls(samples)),
        },
    )


def _subject(measured: MeasuredComparison, role: ModelRole, latency: Latency | None) -> Subject:
    comparison, loaded = measured.request, measured.workers(role)[0].loaded
    elements = sum(math.prod(shape) for shape in loaded["input_shapes"].values())
    return Subject(
        runtime=comparison.runtime,
        threads=comparison.threads,
        precision=loaded["settings"].get("precision"),
        input_bytes=FLOAT_BYTES * elements,
        compute=comparison.arm(role).compute,
        latency=latency,
    )


def _not_given(arm: ArmRequest) -> dict[str, str]:
    reasons = {
        "parity": (arm.expected, "no expected outputs were given"),
        "quality": (arm.quality, "no quality was given"),
        "compute": (arm.compute, "no count was given"),
    }
    return {name: reason for name, (value, reason) in reasons.items() if value is None}


def _not_asked_for(alone: OptionalSamples, cold_start: ColdStart | None) -> dict[str, str]:
    samples = {"cold_start_ns": alone.cold_starts, "sustained": alone.windows, "energy_uj": alone.energy}
    reasons = {name: "not asked for" for name, measured in samples.items() if not measured}
    if cold_start is not None and cold_start.to_steady is None:
        return {"cold_start_ns.to_steady": "a process never became steady", **reasons}
    return reasons


def _too_few_calls(samples: Calls) -> Iterator[tuple[str, str]]:
    if not samples:
        yield from dict.fromkeys(("latency_ns", "throughput"), "every block is void").items()
        return
    for name, reason in left_out(samples):
        yield f"latency_ns.{name}", reason


def _warm_ups(workers: Sequence[WorkerReport]) -> WarmUps:
    return WarmUps(
        calls=round(median(worker.warm_up["calls"] for worker in workers)),
        duration_ns=round(median(worker.warm_up["duration_ns"] for worker in workers)),
        unsteady=sum(not worker.warm_up["steady"] for worker in workers),
    )


def _memory(workers: Sequence[WorkerReport]) -> Memory | None:
    pairs = [(worker.peak_rss_bytes, worker.loaded["import_baseline_bytes"]) for worker in workers]
    readings = [(peak, baseline) for peak, baseline in pairs if peak is not None and baseline is not None]
    if not readings:
        return None
    return Memory(
        peak_rss=round(median(peak for peak, _ in readings)),
        import_baseline=round(median(baseline for _, baseline in readings)),
        model_increment=round(median(peak - baseline for peak, baseline in readings)),
    )
