"""What `kdeploy bench` prints below its claims: throughputs, cold starts, drifts and energies, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.records.bench import Arm, BenchRecord, ColdStart, TimeEstimate


def timing_lines(record: BenchRecord) -> Iterator[str]:
    """The lines of a benchmark's further figures; times are medians."""
    settings = groupby(record.throughput, key=lambda row: (row.runtime, row.batch, row.threads))
    for (runtime, batch, threads), rows in settings:
        rates = ", ".join(f"{row.model} {numbers.thousands(row.value)} samples/s" for row in rows)
        yield f"throughput, {runtime}, batch {batch}, threads {threads}: {rates}"
    for arm in record.arms:
        yield from _of_arm(arm)


def _of_arm(arm: Arm) -> Iterator[str]:
    if arm.cold_start_ns is not None:
        yield f"cold start of {arm.name}: {_cold(arm.cold_start_ns)}"
    if arm.sustained is not None:
        duration = numbers.seconds(arm.sustained.duration_ns / 1e9)
        drift = numbers.signed_percent(arm.sustained.drift)
        yield f"sustained {arm.name}: {drift} from the first tenth of {duration} to the last"
    if arm.energy_uj is not None:
        energy = arm.energy_uj
        yield f"energy of {arm.name}: {numbers.whole(energy.idle_subtracted)} uJ a call above idle ({energy.domain})"


def _cold(start: ColdStart) -> str:
    steady = "never steady" if start.to_steady is None else f"steady after {_ms(start.to_steady)}"
    parts = (f"imports {_ms(start.imports)}", f"session {_ms(start.session)}", f"first {_ms(start.first_inference)}")
    return f"{', '.join(parts)}, {steady} ({start.n} processes, page cache {start.page_cache})"


def _ms(time: TimeEstimate) -> str:
    return numbers.fixed_milliseconds(time.value, 1)
