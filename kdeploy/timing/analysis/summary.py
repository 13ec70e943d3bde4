"""The summary of one comparison: the figures of its two arms and its claim, all from raw samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdeploy.records.bench import Comparison, Ratio, Reason
from kdeploy.timing.analysis import call_overhead, roofline
from kdeploy.timing.analysis.arm_result import ArmResult, arm_result
from kdeploy.timing.analysis.claims import Evidence, Side, judged
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import Surroundings, refusals
from kdeploy.timing.analysis.roofline import Bounds
from kdeploy.timing.analysis.statistics import Estimate
from kdeploy.timing.raw import WorkerReport
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Role, Settings


@dataclass(frozen=True)
class Summary:
    """One comparison with its claim, and the figures of its baseline and its candidate."""

    measured: MeasuredComparison
    comparison: Comparison
    arms: tuple[ArmResult, ArmResult]


def summaries(
    measured: Sequence[MeasuredComparison], bounds: Bounds, settings: Settings, surroundings: Surroundings
) -> list[Summary]:
    """The summary of every comparison of a measurement; no two arms have the same name."""
    names_in_use = set[str]()
    return [summary(one, arm_names(one.request, names_in_use), bounds, settings, surroundings) for one in measured]


def summary(
    measured: MeasuredComparison,
    names: tuple[str, str],
    bounds: Bounds,
    settings: Settings,
    surroundings: Surroundings,
) -> Summary:
    """The summary of one comparison, under the names of its arms, baseline first."""
    baseline = arm_result(measured, "baseline", names[0], bounds, settings.level)
    candidate = arm_result(measured, "candidate", names[1], bounds, settings.level)
    return Summary(measured, _compared(measured, (baseline, candidate), settings, surroundings), (baseline, candidate))


def _compared(
    measured: MeasuredComparison, arms: tuple[ArmResult, ArmResult], settings: Settings, surroundings: Surroundings
) -> Comparison:
    request, level = measured.request, settings.level
    ratio, null = measured.ratio("candidate", level), measured.ratio("control", level)
    pairs = len(measured.log_ratios("candidate"))
    gates = refusals(measured.replicates, surroundings, settings.limits, level=level, provider=request.provider)
    evidence = Evidence(
        baseline=_side(measured, request.baseline, ("baseline", "control")),
        candidate=_side(measured, request.candidate, ("candidate",)),
        ratio=ratio,
        null=null,
        replicates=pairs,
        void_fraction=len(measured.void_blocks()) / len(measured.blocks()),
        runtime=request.runtime,
        version=measured.workers("candidate")[0].loaded["version"],
        batch=request.batch,
        threads=request.threads,
        level=level,
        min_effect=settings.min_effect,
        most_void=settings.limits.run_void,
        with_null=settings.null,
        seen=measured.seen(),
        gates=(*gates, *_too_fast(arms)),
    )
    return Comparison(
        baseline=arms[0].name,
        candidate=arms[1].name,
        runtime=request.runtime,
        batch=request.batch,
        threads=request.threads,
        ratio=_ratio(ratio, level, pairs),
        aa_null=_ratio(null, level, pairs),
        seen=evidence.seen,
        stopped=measured.stopped,
        claim=judged(evidence),
        notes=tuple(_notes(arms, request.runtime)),
    )


def _too_fast(arms: Sequence[ArmResult]) -> Iterator[Reason]:
    """R16: an arm below the limit of the machine."""
    for arm in arms:
        yield from roofline.refusals(arm.request.model, arm.roofline, arm.latency)


def _notes(arms: Sequence[ArmResult], runtime: str) -> Iterator[str]:
    """The notes of a comparison: which of its arms are bound by overhead."""
    for arm in arms:
        if arm.call_floor_ns is not None and arm.latency is not None:
            note = call_overhead.note(arm.request.model, runtime, arm.latency.median.value, arm.call_floor_ns)
            yield from filter(None, [note])


def _side(measured: MeasuredComparison, arm: ArmRequest, roles: tuple[Role, ...]) -> Side:
    """The side of an arm in a claim; settings that differ between its replicates show as both values."""
    settings: dict[str, str] = {}
    workers = [worker for role in roles for worker in measured.workers(role)]
    for worker in workers:
        cpus = ",".join(map(str, worker.loaded["cpus"]))
        effective = {**worker.loaded["settings"], "version": worker.loaded["version"], "cpus": cpus}
        for name, value in effective.items():
            if settings.setdefault(name, value) != value:
                settings[name] = f"{settings[name]} and {value}"
    return Side(arm.model, settings, arm.quality, measured.wrong_outputs(roles), _not_as_promised(arm, workers))


def _not_as_promised(arm: ArmRequest, workers: Sequence[WorkerReport]) -> str:
    if arm.expected is None or all(worker.loaded["passed"] for worker in workers):
        return ""
    errors = largest_error(workers)
    return "are not finite" if errors is None else f"differ by {errors:.2g}"


def largest_error(workers: Sequence[WorkerReport]) -> float | None:
    """The largest absolute error of all workers; None where an output of one is not finite."""
    errors = [worker.loaded["max_abs_err"] for worker in workers]
    finite = [error for error in errors if error is not None]
    return max(finite) if len(finite) == len(errors) else None


def _ratio(estimate: Estimate | None, level: float, pairs: int) -> Ratio | None:
    if estimate is None:
        return None
    return Ratio(value=estimate.value, ci=estimate.interval, level=level, n_pairs=pairs)


def arm_names(request: ComparisonRequest, names_in_use: set[str]) -> tuple[str, str]:
    """`teacher@onnxruntime-b1-t1` and its like, with `-2` and so on where that name is taken."""
    names = []
    for arm in (request.baseline, request.candidate):
        plain = f"{arm.model}@{request.runtime}-b{request.batch}-t{request.threads}"
        number = 1
        while (name := plain if number == 1 else f"{plain}-{number}") in names_in_use:
            number += 1
        names_in_use.add(name)
        names.append(name)
    return names[0], names[1]
