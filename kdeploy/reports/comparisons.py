"""A benchmark in the terms of a report: each comparison with its two arms, and why a figure is not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kdeploy.formatting.numbers import giga, several
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import Arm, BenchRecord, Comparison, Roofline
from kdeploy.records.report import BenchRow
from kdeploy.records.sweep import ComparedTime
from kdeploy.reports.figures.drawing import Part
from kdeploy.reports.summary import bench_rows

_OUT_OF = {"cache": "the cache", "memory": "memory"}
_ARM = re.compile(r"arms\[.*\]\.")  # greedy: a model may be called `a].b`


@dataclass(frozen=True)
class TimedPair:
    """One comparison. `setting` names it among the others: the runtime, and what else differs."""

    row: BenchRow
    comparison: Comparison
    baseline: Arm
    candidate: Arm
    setting: str

    @property
    def refused(self) -> bool:
        return self.row.status == "refused"

    @property
    def arms(self) -> tuple[tuple[Part, Arm], tuple[Part, Arm]]:
        return ("baseline", self.baseline), ("candidate", self.candidate)


@dataclass(frozen=True)
class Missing:
    """A figure that is not there, of some arms or (none named) of the whole, and why."""

    field: str
    arms: int
    reason: str


def pairs(bench: BenchRecord | None) -> tuple[TimedPair, ...]:
    """All comparisons, in order; none when nothing was timed."""
    if bench is None:
        return ()
    return tuple(
        TimedPair(row, compared, bench.arm(compared.baseline), bench.arm(compared.candidate), name)
        for row, compared, name in zip(bench_rows(bench), bench.comparison, settings(bench.comparison), strict=True)
    )


def settings(comparisons: Sequence[Comparison | ComparedTime]) -> tuple[str, ...]:
    """The runtime of each comparison, with batch and threads where these differ between them."""
    batches = len({one.batch for one in comparisons}) > 1
    threads = len({one.threads for one in comparisons}) > 1
    return tuple(
        one.runtime
        + (f", batch {one.batch}" if batches else "")
        + (f", {several(one.threads, 'thread')}" if threads else "")
        for one in comparisons
    )


def models(bench: BenchRecord) -> tuple[Arm, ...]:
    """One arm of each model, in the order they were named: what does not change with the runtime is read from it."""
    return tuple({arm.model: arm for arm in reversed(bench.arms)}.values())[::-1]


def roofs(bench: BenchRecord) -> tuple[str, ...]:
    """The peaks of the machine in words, each once.

    >>> roofs(bench)
    ('58.0 GFLOP/s by torch.mm and 14.2 GB/s out of memory on 1 thread',)
    """
    found = ((several(arm.runtime.threads, "thread"), arm.roofline) for arm in bench.arms if arm.roofline)
    return tuple(dict.fromkeys(f"{_roof(roof)} on {threads}" for threads, roof in found))


def _roof(roof: Roofline) -> str:
    bandwidth = f"{giga(roof.bandwidth_bytes_s, 'B/s')} out of {_OUT_OF[roof.bandwidth_of]}"
    return f"{giga(roof.peak_flops, 'FLOP/s')} by {roof.peak_engine} and {bandwidth}"


def reason(bench: BenchRecord, field: str) -> str:
    """Why a field of the record or of its arms is null; several reasons stand side by side."""
    found = dict.fromkeys(entry.reason for entry in bench.unavailable if _ARM.sub("", entry.field) == field)
    return "; ".join(found) or "the record has none, and does not say why"


def grouped(unavailable: Iterable[Unavailable]) -> Iterator[Missing]:
    """The same figure of several arms, missing for the same reason, once."""
    arms: dict[tuple[str, str], int] = {}
    for entry in unavailable:
        field, of_arm = _ARM.subn("", entry.field)
        arms[field, entry.reason] = arms.get((field, entry.reason), 0) + of_arm
    return (Missing(field, number, why) for (field, why), number in arms.items())
