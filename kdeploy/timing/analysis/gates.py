"""The gates of a whole comparison, however narrow its interval: noise, drift, the clock, the circumstances.

    R07  over all blocks: steal > 2 %, wait > 10 %, throttling, overheating, disk in > 1 % of blocks, a stopped arm ran
    R09  > 15 % of the warm-ups not steady; a trend: its 99 % interval excludes 0 and it sums to > 3 %
    R10  a block shorter than 1 000 steps of the clock, a call shorter than 10 times the clock's own cost
    R11  a debugger or tracer is attached, or the machine runs on battery
    R12  another provider ran than the one asked for
    R15  calls with rotating inputs take > 1.2 times as long as calls with one input alone: answers are remembered

The trend is Theil-Sen over replicates, of the mean log latency of the three arms: blocks of one process are not
independent of each other, and what slows the machine slows all arms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from kdeploy.records.bench import Reason
from kdeploy.records.circumstances import Timer
from kdeploy.timing.analysis import noise
from kdeploy.timing.analysis.claims import counted
from kdeploy.timing.analysis.statistics import Estimate, block_value, theil_sen
from kdeploy.timing.messages import Counters
from kdeploy.timing.raw import Block, Replicate
from kdeploy.timing.request import PAIR, ROLES, NoiseLimits, Role

HOUR_NS = 3600 * 1_000_000_000


@dataclass(frozen=True)
class Surroundings:
    """What a claim depends on in addition to the samples: the clock, and what powers the machine."""

    timer: Timer
    power_source: str | None


@dataclass(frozen=True)
class Trend:
    """`slope` is relative and per hour; `drift` is what it sums to from the first replicate to the last."""

    slope: Estimate
    drift: float


def refusals(
    replicates: Sequence[Replicate], surroundings: Surroundings, limits: NoiseLimits, *, level: float, provider: str
) -> tuple[Reason, ...]:
    """The reasons for which a comparison is refused, one for each gate that is shut."""
    blocks = [block for replicate in replicates for block in replicate.blocks]
    rules = {
        "R07": noise_texts(blocks, limits),
        "R09": steadiness_texts(replicates, limits, level),
        "R10": timer_texts(replicates, surroundings.timer, limits),
        "R11": circumstance_texts(replicates, surroundings),
        "R12": provider_texts(replicates, provider),
        "R15": memory_texts(replicates, limits),
    }
    return tuple(Reason(code=code, text=text) for code, texts in rules.items() for text in texts)


def noise_texts(blocks: Sequence[Block], limits: NoiseLimits) -> Iterator[str]:
    """R07: what disturbed the blocks more than the limits allow, a sentence each."""
    steal, wait = noise.total_share(blocks, "steal_ns"), noise.waiting(blocks)
    if steal is not None and steal > limits.run_steal:
        yield f"the hypervisor took {steal:.1%} of the time, at most {limits.run_steal:.0%} may be"
    if wait is not None and wait > limits.run_wait:
        yield f"the arms waited for the CPU for {wait:.1%} of the time, at most {limits.run_wait:.0%} may be"
    throttled = sum(noise.change(block.counters, "throttled_ns") or 0 for block in blocks)
    times = sum(noise.change(block.counters, "throttled_times") or 0 for block in blocks)
    if throttled or times:
        yield f"the control group was throttled {counted(times, 'time')}, for {throttled / 1e6:.1f} ms"
    hot = overheated(blocks)
    if hot:
        yield f"the CPU overheated {counted(hot, 'time')}"
    faults = sum(noise.faulted(block.counters) for block in blocks)
    if faults > limits.run_faults * len(blocks):
        yield f"memory came from disk in {faults} of {len(blocks)} blocks"
    idle = sum(block.void == noise.IDLE_ARM_RAN for block in blocks)
    if idle:
        yield f"a stopped arm used the CPU in {idle} of {len(blocks)} blocks"


def overheated(blocks: Sequence[Block]) -> int | None:
    """The number of times the CPUs throttled themselves, between blocks as well; None when it cannot be read."""
    if not blocks:
        return None
    before, after = blocks[0].counters.get("before", {}), blocks[-1].counters.get("after", {})
    return noise.change(Counters(before=before, after=after), "overheated")


def steadiness_texts(replicates: Sequence[Replicate], limits: NoiseLimits, level: float) -> Iterator[str]:
    """R09: warm-ups that were not steady, and a trend of the latency of all arms."""
    warm_ups = [worker.warm_up for replicate in replicates for worker in replicate.workers.values()]
    unsteady = sum(not warm_up["steady"] for warm_up in warm_ups)
    if unsteady > limits.run_unsteady * len(warm_ups):
        yield f"{unsteady} of {len(warm_ups)} warm-ups were not steady, at most {limits.run_unsteady:.0%} may be"
    latency_trend = trend(replicates, level)
    if latency_trend is None or latency_trend.slope.contains(0):
        return
    if abs(latency_trend.drift) > limits.run_drift:
        yield f"the latency of all arms drifted by {latency_trend.drift:+.1%}, at most {limits.run_drift:.0%} may be"


def trend(replicates: Sequence[Replicate], level: float) -> Trend | None:
    """The change of the machine's speed; None when there are no two replicates with a time."""
    points = [point for replicate in replicates if (point := _place(replicate)) is not None]
    slope = theil_sen([hours for hours, _ in points], [value for _, value in points], level) if points else None
    if slope is None:
        return None
    hours = max(hours for hours, _ in points) - min(hours for hours, _ in points)
    return Trend(slope, math.expm1(min(slope.value * hours, 700)))  # beyond 709 a float ends


def timer_texts(replicates: Sequence[Replicate], timer: Timer, limits: NoiseLimits) -> Iterator[str]:
    """R10: blocks and calls too short for the clock."""
    counted = [block for replicate in replicates for role in ROLES for block in replicate.counted(role)]
    if not counted:
        return
    shortest, call = min(sum(block.ns) for block in counted), min(block_value(block.ns) for block in counted)
    if shortest < limits.timer_steps * timer.resolution_ns:
        yield f"a block took {shortest} ns, less than {limits.timer_steps} steps of the clock"
    if call < limits.timer_pairs * timer.pair_cost_ns.median:
        pair = timer.pair_cost_ns.median
        yield f"a call took {call:g} ns, less than {limits.timer_pairs} times the {pair} ns of reading the clock"


def circumstance_texts(replicates: Sequence[Replicate], surroundings: Surroundings) -> Iterator[str]:
    """R11: a tracer of the arms, or a battery."""
    workers = [worker for replicate in replicates for worker in replicate.workers.values()]
    tracers = sorted({tracer for worker in workers if (tracer := worker.loaded.get("tracer"))})
    if tracers:
        yield f"process {tracers[0]} traces the arms"
    if surroundings.power_source == "battery":
        yield "the machine runs on battery"


def provider_texts(replicates: Sequence[Replicate], provider: str) -> Iterator[str]:
    """R12: providers that ran in place of the one that was requested."""
    reports = (
        worker.loaded["settings"].get("provider") for replicate in replicates for worker in replicate.workers.values()
    )
    for effective in sorted({report for report in reports if report is not None}):
        if [name.removesuffix("ExecutionProvider") for name in effective.split(",")] != [provider]:
            yield f"the provider asked for is {provider}, and {effective} ran"


def memory_texts(replicates: Sequence[Replicate], limits: NoiseLimits) -> Iterator[str]:
    """Flags answers that look remembered: one input again and again is faster than rotating ones."""
    for role in PAIR:
        ratios = [ratio for replicate in replicates if (ratio := _rotating_over_repeated(replicate, role)) is not None]
        if ratios and median(ratios) > limits.run_memory:
            text = f"the {role} takes {median(ratios):.1f} times as long for rotating inputs as for one"
            yield f"{text}, at most {limits.run_memory:g} may be: it may remember its answers"


def _rotating_over_repeated(replicate: Replicate, role: Role) -> float | None:
    """How many times as long a call takes with rotating inputs as with one; None for a worker of one distinct input.

    Void blocks count: the block to compare them with is not judged either.
    """
    worker, blocks = replicate.workers.get(role), [block for block in replicate.blocks if block.role == role]
    if worker is None or not worker.repeated_ns or not blocks or worker.loaded["distinct_inputs"] < 2:
        return None
    return median(block_value(block.ns) for block in blocks) / block_value(worker.repeated_ns)


def _place(replicate: Replicate) -> tuple[float, float] | None:
    """The hour and the mean log latency of a replicate."""
    arms = [blocks for role in ROLES if (blocks := replicate.counted(role))]
    times = [block.counters["at_ns"] for blocks in arms for block in blocks if "at_ns" in block.counters]
    if not times:
        return None
    return min(times) / HOUR_NS, fmean(math.log(median(block_value(block.ns) for block in blocks)) for blocks in arms)
