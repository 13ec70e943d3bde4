"""The machine's own peaks, from the probes that ran between the replicates (kdeploy.timing.run.machine_peaks).

    FLOP/s of the fastest run of the fastest engine; bytes/s of the fastest kernel, in cache and beyond it

No engine is always the fastest, so the fastest of all is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kdeploy.timing.messages import Place
from kdeploy.timing.raw import Probe

TELLING_SIZE = 512  # before every engine was tried at it, the first one would pass for the machine
ENGINES = ("numpy", "onnxruntime", "openvino", "torch")
UNKNOWN_CACHE_BYTES = 32 * 2**20
BEYOND_CACHE = 4  # times the last level: nothing that is read in turn is still there
MOST_BYTES = 2**30  # a server's cache of more than a quarter of that is shared by many more CPUs than run an arm


@dataclass(frozen=True)
class Peaks:
    """FLOP/s with the engine that reached it, and bytes/s; of `far_bytes` that are read in turn no cache keeps any."""

    flops: float
    engine: str
    cache_bandwidth: float
    memory_bandwidth: float
    far_bytes: int


def far_bytes(caches_bytes: Mapping[str, int]) -> int:
    """The size of a working set, read in turn, of which no cache keeps any, in bytes."""
    return min(MOST_BYTES, BEYOND_CACHE * max(caches_bytes.values(), default=UNKNOWN_CACHE_BYTES))


def peaks_of(probes: Iterable[Probe], caches_bytes: Mapping[str, int]) -> Peaks | None:
    """The largest rate of each kind of probe.

    None while one of the three kinds is missing, or an engine was not tried at a telling size.
    """
    best: dict[Place, Probe] = {}
    untried = set(ENGINES)
    for probe in probes:
        if probe.task.size >= TELLING_SIZE:
            untried.discard(probe.task.name)
        held = best.get(probe.task.place)
        if probe.ns and (held is None or probe.rate > held.rate):
            best[probe.task.place] = probe
    if untried or best.keys() != {"product", "cache", "memory"}:
        return None
    return Peaks(
        flops=best["product"].rate,
        engine=f"{best['product'].task.name} {best['product'].task.size}",
        cache_bandwidth=best["cache"].rate,
        memory_bandwidth=best["memory"].rate,
        far_bytes=far_bytes(caches_bytes),
    )
