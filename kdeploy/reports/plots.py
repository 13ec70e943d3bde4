"""From a benchmark to what its plots draw; a figure that was not measured draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kdeploy.formatting.numbers import several
from kdeploy.records.bench import Arm, BenchRecord
from kdeploy.reports.comparisons import TimedPair
from kdeploy.reports.figures.distributions import Distribution
from kdeploy.reports.figures.drawing import Part
from kdeploy.reports.figures.roofline import Reached
from kdeploy.reports.figures.sustained import Course
from kdeploy.reports.figures.throughput import Rate
from kdeploy.reports.figures.trade_off import Point
from kdeploy.timing.raw import Replicate, read_replicates
from kdeploy.timing.request import ModelRole


class Measured(NamedTuple):
    """A throughput, before it is known whether its number of threads has to be named."""

    model: str
    part: Part
    runtime: str
    threads: int
    batch: int
    rate: float
    interval: tuple[float, float] | None

    def named(self, *, with_threads: bool) -> Rate:
        place = f"{self.runtime}, {several(self.threads, 'thread')}" if with_threads else self.runtime
        return Rate(self.model, self.part, place, self.batch, self.rate, self.interval)


def qualities(pairs: Sequence[TimedPair]) -> Iterator[Point]:
    """Accuracy against latency, of both models of each comparison that was not refused, where quality was measured."""
    for pair in pairs:
        for part, arm in pair.arms:
            if not pair.refused and arm.latency_ns and arm.quality:
                median, quality = arm.latency_ns.median, arm.quality
                yield Point(arm.model, part, pair.setting, median.value, median.ci, quality.value, quality.ci)


def metric(pairs: Sequence[TimedPair]) -> str:
    """What was measured of the models' answers, by the names that the qualities have."""
    return ", ".join(dict.fromkeys(arm.quality.metric for pair in pairs for _, arm in pair.arms if arm.quality))


def calls(pairs: Sequence[TimedPair], raw: Path) -> Iterator[Distribution]:
    """The counted calls of both models in each comparison."""
    replicates = read_replicates(raw)
    for number, pair in enumerate(pairs):
        for part, arm in pair.arms:
            found = _calls(replicates.get(number, []), arm.role)
            if found:
                yield Distribution(arm.model, part, pair.setting, found)


def rates(bench: BenchRecord, pairs: Sequence[TimedPair]) -> tuple[Rate, ...]:
    """Throughput of comparisons and beside them, when several batches were timed."""
    found = [*_compared(pairs), *_beside(bench)]
    several_threads = len({rate.threads for rate in found}) > 1
    named = (rate.named(with_threads=several_threads) for rate in found)
    return tuple(named) if len({rate.batch for rate in found}) > 1 else ()


def reached(pairs: Sequence[TimedPair]) -> Iterator[Reached]:
    """Both models below the roof of this machine."""
    for pair in pairs:
        for part, arm in pair.arms:
            found = _reached(pair, part, arm)
            if found is not None:
                yield found


def courses(pairs: Sequence[TimedPair]) -> Iterator[Course]:
    for pair in pairs:
        for part, arm in pair.arms:
            if arm.sustained and arm.sustained.windows:
                yield Course(arm.model, part, pair.setting, arm.sustained)


def _compared(pairs: Sequence[TimedPair]) -> Iterator[Measured]:
    for pair in pairs:
        for part, arm in pair.arms:
            if arm.throughput and not pair.refused:
                place = (pair.comparison.runtime, pair.comparison.threads, pair.comparison.batch)
                yield Measured(arm.model, part, *place, arm.throughput.value, arm.throughput.ci)


def _beside(bench: BenchRecord) -> Iterator[Measured]:
    for one in bench.throughput:
        yield Measured(one.model, one.role, one.runtime, one.threads, one.batch, one.value, None)


def _reached(pair: TimedPair, part: Part, arm: Arm) -> Reached | None:
    roof = arm.roofline
    if roof is None or arm.compute is None or arm.latency_ns is None or not arm.compute.flops:
        return None
    flops = arm.compute.flops
    speed = flops / (arm.latency_ns.median.value / 1e9)
    intensity = flops / max(1, roof.bytes_min)
    return Reached(arm.model, part, pair.setting, intensity, speed, roof.peak_flops, roof.bandwidth_bytes_s)


def _calls(replicates: list[Replicate], role: ModelRole) -> list[int]:
    return [call for replicate in replicates for block in replicate.counted(role) for call in block.ns]
