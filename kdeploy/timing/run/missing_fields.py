"""What a benchmark leaves null, and why: what was not asked for, not readable, or void."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kdeploy.records.base import Unavailable
from kdeploy.records.bench import Arm, Noise
from kdeploy.timing.analysis import noise
from kdeploy.timing.analysis.arm_limits import limited
from kdeploy.timing.analysis.comparison import Measured, key_of
from kdeploy.timing.analysis.latency import left_out
from kdeploy.timing.machine import energy
from kdeploy.timing.request import Settings

NOISE_FIELDS = {
    "steal": "noise.steal_fraction",
    "cpu wait": "noise.cpu_wait_fraction",
    "cpu pressure": "noise.psi_cpu_some",
    "cgroup throttling": "noise.throttled_ns",
}


def not_observed(measured: Sequence[Measured], found: Noise) -> Iterator[Unavailable]:
    """Why the signals of `unobserved`, and the figures that are null for their sake, were not read."""
    blocks = [block for one in measured for replicate in one.replicates for block in replicate.blocks]
    for signal, reason in noise.unobserved(blocks).items():
        yield Unavailable(field=NOISE_FIELDS.get(signal, f"noise.unobserved.{signal}"), reason=reason)
    if found.trend_per_hour is None:
        yield Unavailable(field="noise.trend_per_hour", reason="there are no two replicates to compare")


def not_measured(measured: Measured, arm: Arm, settings: Settings) -> Iterator[Unavailable]:
    """The fields of an arm that are null because of what was asked or seen, each with its reason."""
    place = f"arms[{arm.name}]"
    if arm.parity is None:
        yield Unavailable(field=f"{place}.parity", reason="no expected outputs were given")
    if arm.quality is None:
        yield Unavailable(field=f"{place}.quality", reason="no quality was given")
    if arm.compute is None:
        yield Unavailable(field=f"{place}.compute", reason="no count was given")
    roofline = limited(measured, arm.role, settings.level)
    if isinstance(roofline, str):
        yield Unavailable(field=f"{place}.roofline", reason=roofline)
    if arm.memory_bytes is None:
        yield Unavailable(field=f"{place}.memory_bytes", reason="/proc/self/clear_refs or status cannot be used")
    yield from _not_asked_for(arm, settings)
    samples = measured.samples(key_of(arm.role))
    if not samples:
        yield Unavailable(field=f"{place}.latency_ns", reason="every block is void")
        yield Unavailable(field=f"{place}.throughput", reason="every block is void")
        return
    for name, reason in left_out(samples):
        yield Unavailable(field=f"{place}.latency_ns.{name}", reason=reason)


def _not_asked_for(arm: Arm, settings: Settings) -> Iterator[Unavailable]:
    place, reason = f"arms[{arm.name}]", "not asked for"
    if arm.cold_start_ns is None:
        yield Unavailable(field=f"{place}.cold_start_ns", reason=reason)
    elif arm.cold_start_ns.to_steady is None:
        yield Unavailable(field=f"{place}.cold_start_ns.to_steady", reason="a process never became steady")
    if arm.sustained is None:
        yield Unavailable(field=f"{place}.sustained", reason=reason)
    if arm.energy_uj is None:
        why = (energy.unreadable() if settings.energy else None) or reason
        yield Unavailable(field=f"{place}.energy_uj", reason=why)
