"""The roofline: how near an arm is to the best that the machine can do (Williams, Waterman and Patterson 2009).

    hardware_ns = max(flops / peak FLOP/s, bytes_min / bytes/s)
    limit_ns    = hardware_ns + call floor
    fraction    = limit_ns / latency, with the interval of the latency

`bytes_min` are the weights and the inputs of a call. Below 4 times the last-level cache a part of them may stay there,
so that the cache's bandwidth is taken, the higher one: the limit is never too high. The arm is bound by the largest
part of its limit. Hardware that takes more than 1.05 times the latency is no fast model but a wrong count, or a peak
that was not reached when it was measured: R16. The call floor is left out there: it comes from other processes, and
varies by more than 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kdeploy.records.bench import CallFloor, Compute, Fraction, Latency, Reason, Roofline
from kdeploy.timing.analysis.call_overhead import call_floors
from kdeploy.timing.analysis.machine_peaks import Peaks, peaks_of
from kdeploy.timing.raw import FloorSample, Probe

HIGHEST_FRACTION = 1.05
PRECISION = "fp32"  # of the peaks


@dataclass(frozen=True)
class Bounds:
    """The bounds of a measurement: call floors by runtime and threads, the machine's peaks by threads."""

    floors: Mapping[tuple[str, int], CallFloor] = field(default_factory=dict)
    peaks: Mapping[int, Peaks] = field(default_factory=dict)

    @property
    def null_sut(self) -> tuple[CallFloor, ...] | None:
        """The call floors as a record has them; None where none was measured."""
        return tuple(self.floors.values()) or None

    def floor_ns(self, runtime: str, threads: int) -> int | None:
        """The call floor of a runtime with so many threads, in ns; None where it was not measured."""
        floor = self.floors.get((runtime, threads))
        return None if floor is None else floor.call_floor_ns.value


def bounds_of(
    floors: Sequence[FloorSample], probes: Sequence[Probe], caches_bytes: Mapping[str, int], level: float
) -> Bounds:
    """The bounds that the samples give; a number of threads of which a peak is missing has none."""
    by_threads = {
        threads: [probe for probe in probes if probe.threads == threads] for threads in {p.threads for p in probes}
    }
    peaks = {threads: peaks_of(some, caches_bytes) for threads, some in by_threads.items()}
    return Bounds(
        floors={(floor.runtime, floor.threads): floor for floor in call_floors(floors, level)},
        peaks={threads: one for threads, one in peaks.items() if one is not None},
    )


@dataclass(frozen=True)
class Subject:
    """One arm, as far as its limit depends on it."""

    runtime: str
    threads: int
    precision: str | None
    input_bytes: int
    compute: Compute | None
    latency: Latency | None


def roofline(subject: Subject, bounds: Bounds) -> Roofline | str:
    """The arm's roofline, or why it has none."""
    compute, latency = subject.compute, subject.latency
    if latency is None:
        return "every block is void"
    if compute is None or compute.weights_bytes is None:
        return "no count was given"
    if subject.precision != PRECISION:
        return f"the peaks are those of {PRECISION}, and the arm runs in {subject.precision or 'an unknown precision'}"
    peaks, floor_ns = bounds.peaks.get(subject.threads), bounds.floor_ns(subject.runtime, subject.threads)
    if peaks is None:
        return "the machine's peaks were not asked for, or the measurement was too short for them"
    if floor_ns is None:
        return f"the call floor of {subject.runtime} was not measured"
    return _roofline(compute.flops, compute.weights_bytes + subject.input_bytes, latency, peaks, floor_ns)


def refusals(model: str, line: Roofline | None, latency: Latency | None) -> Iterator[Reason]:
    """R16: an arm that is faster than its hardware."""
    if line is None or latency is None:
        return
    fraction = (line.limit_ns - line.call_floor_ns) / latency.median.value
    if fraction > HIGHEST_FRACTION:
        text = f"{model} takes less time than the hardware needs: {fraction:.2f} of its latency, peak underestimated"
        yield Reason(code="R16", text=text)


def _roofline(flops: int, bytes_min: int, latency: Latency, peaks: Peaks, floor_ns: int) -> Roofline:
    beyond = bytes_min >= peaks.far_bytes
    bandwidth = peaks.memory_bandwidth if beyond else peaks.cache_bandwidth
    parts = {"compute": flops / peaks.flops * 1e9, "memory": bytes_min / bandwidth * 1e9, "overhead": float(floor_ns)}
    limit = max(parts["compute"], parts["memory"]) + floor_ns
    median = latency.median
    return Roofline(
        peak_flops=peaks.flops,
        peak_engine=peaks.engine,
        bandwidth_bytes_s=bandwidth,
        bandwidth_of="memory" if beyond else "cache",
        bytes_min=bytes_min,
        call_floor_ns=floor_ns,
        limit_ns=round(limit),
        fraction_of_limit=Fraction(
            value=limit / median.value,
            ci=None if median.ci is None else (limit / median.ci[1], limit / median.ci[0]),
        ),
        bound=max(parts, key=parts.__getitem__),
    )
