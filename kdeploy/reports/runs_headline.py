"""The headline of several runs: who is best, who is quickest as far as was seen, who is smallest."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from kdeploy.formatting.numbers import count, megabytes, milliseconds, percent, several
from kdeploy.records.sweep import ComparedRuns
from kdeploy.reports import side_by_side
from kdeploy.reports.headline import Tile


def tiles(compared: ComparedRuns) -> tuple[Tile, ...]:
    """The tiles on quality, time and size; a name and a figure each."""
    return tuple(_tiles(compared))


def _tiles(compared: ComparedRuns) -> Iterator[Tile]:
    metric, best = side_by_side.metric(compared), side_by_side.best(compared)
    found = side_by_side.qualities(best, metric)
    yield Tile(f"Highest {metric}", percent(fmean(found)), f"{best.name}, mean of {several(len(found), 'seed')}")
    if (quickest := side_by_side.quickest(compared)) is not None:
        run, time = quickest
        yield Tile("Shortest median, as seen", milliseconds(time.student_ns), f"{run.name}, {time.runtime}")
    least = min(compared.runs, key=lambda run: run.parameters)
    yield Tile("Fewest parameters", count(least.parameters), least.name)
    files = [(run.bytes, run.name) for run in compared.runs if run.bytes is not None]
    if files:
        size, name = min(files, key=lambda found: found[0])
        yield Tile("Smallest file", megabytes(size), name)
