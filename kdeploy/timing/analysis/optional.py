"""Optional figures of one arm alone: cold starts, a sustained run, energy.

to steady        from the imports to the end of the first of 20 calls none of which is slow
drift            median of the last tenth of the windows / that of the first - 1
energy a call    energy of a block / its calls, and the same less idle power x time; medians over blocks
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kdeploy.records.bench import ColdStart, Energy, Sustained, TimeEstimate, Window
from kdeploy.timing.analysis.latency import time_estimate
from kdeploy.timing.analysis.statistics import median_estimate
from kdeploy.timing.messages import ColdStartAnswer, EnergyBlock, WindowAnswer

STEADY_SHARE, STEADY_CALLS = 0.1, 20
ENERGY_DOMAIN = "rapl-package"


def cold_start(processes: Sequence[ColdStartAnswer], level: float) -> ColdStart | None:
    """The times of a cold start: medians over processes, with their intervals; None without any process."""
    if not processes:
        return None
    steady = [ns for process in processes if (ns := steady_ns(process)) is not None]
    return ColdStart(
        n=len(processes),
        imports=_time([process["import_ns"] for process in processes], level),
        session=_time([process["load_ns"] for process in processes], level),
        first_inference=_time([process["ns"][0] for process in processes], level),
        to_steady=_time(steady, level) if len(steady) == len(processes) else None,
        page_cache="warm",  # the digests of the artefacts were computed from them right before
    )


def steady_ns(process: ColdStartAnswer) -> int | None:
    """The time from the beginning of the imports to the end of the first of 20 calls none of which is slow.

    Slow is more than 10 % above the steady median, that of the second half of the calls.
    """
    calls = process["ns"]
    centre = median(calls[len(calls) // 2 :])
    near = [ns <= (1 + STEADY_SHARE) * centre for ns in calls]
    for number in range(len(calls) - STEADY_CALLS + 1):
        if all(near[number : number + STEADY_CALLS]):
            return process["import_ns"] + process["load_ns"] + sum(calls[: number + 1])
    return None


def sustained(windows: Sequence[WindowAnswer]) -> Sustained | None:
    """The windows of a sustained run, from its beginning; None without any."""
    if not windows:
        return None
    began, tenth = windows[0]["at_ns"], max(1, len(windows) // 10)
    first, last = (median(one["median_ns"] for one in part) for part in (windows[:tenth], windows[-tenth:]))
    return Sustained(
        duration_ns=windows[-1]["at_ns"] + windows[-1]["elapsed_ns"] - began,
        windows=tuple(
            Window(at_ns=one["at_ns"] - began, calls=one["calls"], median_ns=one["median_ns"]) for one in windows
        ),
        drift=last / first - 1,
    )


def _time(values: Sequence[int], level: float) -> TimeEstimate:
    return time_estimate(median_estimate(values, level), level)


def energy(blocks: Sequence[EnergyBlock]) -> Energy | None:
    """The energy of a call in microjoules, medians over blocks; None without any."""
    if not blocks:
        return None
    idle = [block["energy_uj"] - block["idle_uw"] * block["elapsed_ns"] / 1e9 for block in blocks]
    return Energy(
        per_inference=median(block["energy_uj"] / block["calls"] for block in blocks),
        idle_subtracted=median(less / block["calls"] for less, block in zip(idle, blocks, strict=True)),
        domain=ENERGY_DOMAIN,
        blocks=len(blocks),
    )
