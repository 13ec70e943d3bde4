"""From a benchmark to what its plots draw; a figure that was not measured draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from kdeploy.formatting.numbers import several
from kdeploy.records.bench import Arm, BenchRecord
from kdeploy.records.report import AGREEMENT
from kdeploy.records.sweep import ComparedRuns
from kdeploy.reports import comparisons, side_by_side
from kdeploy.reports.comparisons import TimedPair
from kdeploy.reports.figures.distributions import Distribution
from kdeploy.reports.figures.drawing import Part
from kdeploy.reports.figures.roofline import RoofPoint
from kdeploy.reports.figures.runs import RunPoint
from kdeploy.reports.figures.scores import Score
from kdeploy.reports.figures.sustained import Course
from kdeploy.reports.figures.throughput import Rate
from kdeploy.reports.figures.trade_off import Point
from kdeploy.timing.raw import read_replicates


class MeasuredRate(NamedTuple):
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


def timed_runs(compared: ComparedRuns, metric: str) -> Iterator[RunPoint]:
    """The student of each run in each setting that was not refused, and its teacher where both have an accuracy."""
    timed = [
        (number, run, time)
        for number, run in enumerate(compared.runs, start=1)
        for time in run.times
        if time.status != "refused"
    ]
    places = comparisons.settings([time for _, _, time in timed])
    for (number, run, time), place in zip(timed, places, strict=True):
        teacher = 1.0 if metric == AGREEMENT else run.teacher_accuracy
        if time.teacher_ns is not None and teacher is not None:
            yield RunPoint(number, True, place, time.teacher_ns, teacher)
        if time.student_ns is not None:
            yield RunPoint(number, False, place, time.student_ns, fmean(side_by_side.qualities(run, metric)))


def scored_runs(compared: ComparedRuns, metric: str) -> Iterator[Score]:
    """The quality of each run, a mark a seed."""
    for number, run in enumerate(compared.runs, start=1):
        yield Score(f"{number} {run.name}", "candidate", side_by_side.qualities(run, metric))


def metric(pairs: Sequence[TimedPair]) -> str:
    """The names of the qualities that were measured of the models' answers."""
    return ", ".join(dict.fromkeys(arm.quality.metric for pair in pairs for _, arm in pair.arms if arm.quality))


def calls(pairs: Sequence[TimedPair], raw: Path) -> Iterator[Distribution]:
    """The counted calls of both models in each comparison."""
    replicates = read_replicates(raw)
    for number, pair in enumerate(pairs):
        for part, arm in pair.arms:
            blocks = (block for replicate in replicates.get(number, []) for block in replicate.counted(arm.role))
            calls_ns = [call for block in blocks for call in block.ns]
            if calls_ns:
                yield Distribution(arm.model, part, pair.setting, calls_ns)


def rates(bench: BenchRecord, pairs: Sequence[TimedPair]) -> tuple[Rate, ...]:
    """Throughputs, those of comparisons and those measured in addition, when several batches were timed."""
    extra = (
        MeasuredRate(one.model, one.role, one.runtime, one.threads, one.batch, one.value, None)
        for one in bench.throughput
    )
    measured = [*_compared(pairs), *extra]
    several_threads = len({rate.threads for rate in measured}) > 1
    named = (rate.named(with_threads=several_threads) for rate in measured)
    return tuple(named) if len({rate.batch for rate in measured}) > 1 else ()


def reached(pairs: Sequence[TimedPair]) -> Iterator[RoofPoint]:
    """The points of both models of each comparison, below the roof of this machine."""
    for pair in pairs:
        for part, arm in pair.arms:
            found = _reached(pair, part, arm)
            if found is not None:
                yield found


def courses(pairs: Sequence[TimedPair]) -> Iterator[Course]:
    """The sustained runs of both models in each comparison."""
    for pair in pairs:
        for part, arm in pair.arms:
            if arm.sustained and arm.sustained.windows:
                yield Course(arm.model, part, pair.setting, arm.sustained)


def _compared(pairs: Sequence[TimedPair]) -> Iterator[MeasuredRate]:
    for pair in pairs:
        for part, arm in pair.arms:
            if arm.throughput and not pair.refused:
                place = (pair.comparison.runtime, pair.comparison.threads, pair.comparison.batch)
                yield MeasuredRate(arm.model, part, *place, arm.throughput.value, arm.throughput.ci)


def _reached(pair: TimedPair, part: Part, arm: Arm) -> RoofPoint | None:
    roof = arm.roofline
    if roof is None or arm.compute is None or arm.latency_ns is None or not arm.compute.flops:
        return None
    flops = arm.compute.flops
    speed = flops / (arm.latency_ns.median.value / 1e9)
    intensity = flops / max(1, roof.bytes_min)
    return RoofPoint(arm.model, part, pair.setting, intensity, speed, roof.peak_flops, roof.bandwidth_bytes_s)
