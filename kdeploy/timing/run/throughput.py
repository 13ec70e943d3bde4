"""Throughput by batch and threads, beside the comparisons: samples a second, from two short processes a model.

Cheap on purpose, hence without an interval and without a claim. A setting that a runtime does not take, and those for
which the time of a runtime does not last, are left out with their reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kdeploy.errors import DataError, ModelError, ResourceError
from kdeploy.records.base import Unavailable
from kdeploy.timing.analysis.claims import counted
from kdeploy.timing.analysis.comparison import Measured
from kdeploy.timing.raw import FIRST
from kdeploy.timing.request import ComparisonRequest

Clock = Callable[[], int]
Measure = Callable[[int], Measured]


@dataclass(frozen=True)
class LeftOut:
    """A setting that was not measured, and why."""

    request: ComparisonRequest
    reason: str

    def unavailable(self) -> Unavailable:
        asked = self.request
        place = f"{asked.runtime}, batch {asked.batch}, {counted(asked.threads, 'thread')}"
        return Unavailable(field=f"throughput[{place}]", reason=self.reason)


def measured_throughputs(
    asked: Sequence[ComparisonRequest], measure: Measure, limit_ns: int, clock: Clock
) -> Iterator[Measured | LeftOut]:
    """Each setting in turn; `measure` is told its number."""
    began: dict[str, int] = {}
    for number, one in enumerate(asked):
        if clock() - began.setdefault(one.runtime, clock()) > limit_ns:
            yield LeftOut(one, f"{limit_ns / 1e9:g} s for the throughputs of this runtime had passed")
            continue
        yield _tried(one, measure, number)


def _tried(asked: ComparisonRequest, measure: Measure, number: int) -> Measured | LeftOut:
    try:
        found = measure(number)
    except (DataError, ModelError, ResourceError) as exc:
        return LeftOut(asked, str(exc))
    return found if found.samples(FIRST) else LeftOut(asked, "every block is void")
