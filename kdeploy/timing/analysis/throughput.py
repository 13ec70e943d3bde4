"""Throughput by batch and threads, beside the comparisons.

value = median over processes of samples / total time of their calls that count, in samples a second
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kdeploy.records.bench import BatchThroughput
from kdeploy.timing.analysis.comparison import ROLES, Measured, Role, asked_of, key_of


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
