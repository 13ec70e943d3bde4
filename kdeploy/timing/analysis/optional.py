"""What was measured of one arm alone, as figures: cold starts, a sustained run, energy.

to steady        from the imports to the end of the first of 20 calls none of which is slow
drift            median of the last tenth of the windows / that of the first - 1
energy a call    energy of a block / its calls, and the same less idle power x time; medians over blocks
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kdeploy.records.bench import ColdStart, Energy, Sustained, TimeEstimate, Window
from kdeploy.system.wire import Message
from kdeploy.timing.analysis.latency import time_estimate
from kdeploy.timing.analysis.statistics import median_estimate

STEADY_SHARE, STEADY_CALLS = 0.1, 20
ENERGY_DOMAIN = "rapl-package"


def cold_start(seen: Sequence[Message], level: float) -> ColdStart | None:
    """Medians over processes, with their intervals."""
    if not seen:
        return None
    steady = [steady_ns(one) for one in seen]
    reached = [ns for ns in steady if ns is not None]
    return ColdStart(
        n=len(seen),
        imports=_time([one["import_ns"] for one in seen], level),
        session=_time([one["load_ns"] for one in seen], level),
        first_inference=_time([one["ns"][0] for one in seen], level),
        to_steady=_time(reached, level) if len(reached) == len(seen) else None,
        page_cache="warm",  # the digests of the artefacts were computed from them right before
    )


def steady_ns(seen: Message) -> int | None:
    """From the beginning of the imports to the end of the first of 20 calls none of which is slow.

    Slow is more than 10 % above the steady median, that of the second half of the calls.
    """
    calls: list[int] = seen["ns"]
    centre = median(calls[len(calls) // 2 :])
    near = [ns <= (1 + STEADY_SHARE) * centre for ns in calls]
    for number in range(len(calls) - STEADY_CALLS + 1):
        if all(near[number : number + STEADY_CALLS]):
            return int(seen["import_ns"] + seen["load_ns"] + sum(calls[: number + 1]))
    return None


def sustained(seen: Sequence[Message]) -> Sustained | None:
    if not seen:
        return None
    began, tenth = seen[0]["at_ns"], max(1, len(seen) // 10)
    first, last = (median(one["median_ns"] for one in part) for part in (seen[:tenth], seen[-tenth:]))
    return Sustained(
        duration_ns=seen[-1]["at_ns"] + seen[-1]["elapsed_ns"] - began,
        windows=tuple(
            Window(at_ns=one["at_ns"] - began, calls=one["calls"], median_ns=one["median_ns"]) for one in seen
        ),
        drift=last / first - 1,
    )


def _time(values: Sequence[int], level: float) -> TimeEstimate:
    return time_estimate(median_estimate(values, level), level)


def energy(blocks: Sequence[Message]) -> Energy | None:
    """Medians over blocks with `energy_uj`, `elapsed_ns`, `calls` and `idle_uw`, idle power in microwatts."""
    if not blocks:
        return None
    idle = [block["energy_uj"] - block["idle_uw"] * block["elapsed_ns"] / 1e9 for block in blocks]
    return Energy(
        per_inference=median(block["energy_uj"] / block["calls"] for block in blocks),
        idle_subtracted=median(less / block["calls"] for less, block in zip(idle, blocks, strict=True)),
        domain=ENERGY_DOMAIN,
        blocks=len(blocks),
    )
