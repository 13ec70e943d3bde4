"""The headline of several runs: who is best, who is quickest as far as was seen, who is smallest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    yield _least("Fewest parameters", {run.name: run.parameters for run in compared.runs}, count)
    files = {run.name: run.bytes for run in compared.runs if run.bytes is not None}
    if files:
        yield _least("Smallest file", files, megabytes)


def _least(label: str, sizes: Mapping[str, int], text: Callable[[int], str]) -> Tile:
    """The smallest of the sizes, with the names of those that have it."""
    least = min(sizes.values())
    names = [name for name, size in sizes.items() if size == least]
    return Tile(label, text(least), "all the same" if len(names) == len(sizes) > 1 else ", ".join(names))
