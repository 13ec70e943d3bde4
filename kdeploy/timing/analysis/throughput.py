"""Throughput by batch and threads, measured after the comparisons.

value = median over processes of samples / total time of their calls that count, in samples a second
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kdeploy.records.bench import BatchThroughput
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.request import PAIR, ModelRole


def throughputs(measured: Sequence[MeasuredComparison]) -> tuple[BatchThroughput, ...]:
    """The throughput of both models of each setting; one whose blocks are all void is not there."""
    rows = (_row(setting, role) for setting in measured for role in PAIR)
    return tuple(row for row in rows if row is not None)


def _row(measured: MeasuredComparison, role: ModelRole) -> BatchThroughput | None:
    setting, samples = measured.request, measured.samples(role)
    if not samples:
        return None
    return BatchThroughput(
        model=setting.arm(role).model,
        role=role,
        runtime=setting.runtime,
        batch=setting.batch,
        threads=setting.threads,
        value=median(len(calls) * setting.batch * 1e9 / sum(calls) for calls in samples),
        processes=len(samples),
    )
