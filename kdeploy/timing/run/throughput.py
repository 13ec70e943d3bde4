"""Throughput by batch and threads, after the comparisons: samples a second, from two short processes a model.

Cheap on purpose, hence without an interval and without a claim. A setting that a runtime does not take, and those for
which the time of a runtime does not last, are left out with their reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kdeploy.errors import DataError, ModelError, ResourceError
from kdeploy.records.base import Unavailable
from kdeploy.timing.analysis.claims import counted
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.request import ComparisonRequest

Clock = Callable[[], int]
Measure = Callable[[int], MeasuredComparison]


@dataclass(frozen=True)
class LeftOut:
    """A setting that was not measured, and why."""

    request: ComparisonRequest
    reason: str

    def unavailable(self) -> Unavailable:
        """The setting and the reason, as a record says them."""
        setting = self.request
        place = f"{setting.runtime}, batch {setting.batch}, {counted(setting.threads, 'thread')}"
        return Unavailable(field=f"throughput[{place}]", reason=self.reason)


def measured_throughputs(
    settings: Sequence[ComparisonRequest], measure: Measure, limit_ns: int, clock: Clock
) -> Iterator[MeasuredComparison | LeftOut]:
    """The settings in turn, each measured or left out; `measure` takes the number of one."""
    began: dict[str, int] = {}
    for number, setting in enumerate(settings):
        if clock() - began.setdefault(setting.runtime, clock()) > limit_ns:
            yield LeftOut(setting, f"{limit_ns / 1e9:g} s for the throughputs of this runtime had passed")
            continue
        yield _tried(setting, measure, number)


def _tried(setting: ComparisonRequest, measure: Measure, number: int) -> MeasuredComparison | LeftOut:
    try:
        measured = measure(number)
    except (DataError, ModelError, ResourceError) as exc:
        return LeftOut(setting, str(exc))
    return measured if measured.samples("baseline") else LeftOut(setting, "every block is void")
