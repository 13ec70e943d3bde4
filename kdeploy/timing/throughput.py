"""Throughput by batch and threads, beside the comparisons: samples a second, from two short processes a model.

    value = median over processes of samples / total time of their calls that count

Cheap on purpose, hence without an interval and without a claim. A setting that a runtime does not take, and those for
which the time of a runtime does not last, are left out with their reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from kdeploy.errors import DataError, ModelError, ResourceError
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BatchThroughput
from kdeploy.timing.claims import counted
from kdeploy.timing.raw import FIRST
from kdeploy.timing.request import ComparisonRequest
from kdeploy.timing.result import ROLES, Measured, Role, asked_of, key_of

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


def throughputs(found: Sequence[Measured]) -> tuple[BatchThroughput, ...]:
    """Both models of each setting; one whose blocks are all void is not there."""
    rows = (_row(one, role) for one in found for role in ROLES)
    return tuple(row for row in rows if row is not None)


def _row(one: Measured, role: Role) -> BatchThroughput | None:
    asked, samples = one.request, one.samples(key_of(role))
    if not samples:
        return None
    return BatchThroughput(
        model=asked_of(one, role).model,
        role=role,
        runtime=asked.runtime,
        batch=asked.batch,
        threads=asked.threads,
        value=median(len(calls) * asked.batch * 1e9 / sum(calls) for calls in samples),
        processes=len(samples),
    )
