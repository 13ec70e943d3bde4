"""What was timed as comma-separated values: a row for each arm of each comparison, in nanoseconds and bytes.

What compares both arms stands in the candidate's row. A text that a spreadsheet would take for a formula gets an
apostrophe in front (CWE-1236); numbers stay numbers, and what was not measured is an empty cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from kdeploy.formatting.untrusted import spelled_out
from kdeploy.records.bench import Arm, Latency, TimeEstimate
from kdeploy.records.table import Row
from kdeploy.reports.comparisons import TimedPair

Value = str | int | float | None

COLUMNS = (
    *("comparison", "role", "model", "runtime", "version", "precision", "batch", "threads"),
    *("speed_up", "speed_up_low", "speed_up_high", "level", "process_pairs", "status", "reasons"),
    *("median_ns", "median_low_ns", "median_high_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns", "mean_ns", "calls"),
    *("samples_per_second", "first_answer_ns", "sustained_drift", "energy_uj", "peak_rss_bytes"),
    *("model_increment_bytes", "file_bytes", "multiply_adds", "parameters", "fraction_of_limit", "bound"),
    *("quality_metric", "quality", "file_sha256", "claim"),
)

# the signs that begin a formula, their wide forms, and what a spreadsheet may skip before one
_FORMULA = tuple(
    "=+-@\t\r\n\0\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


def of(pairs: Sequence[TimedPair]) -> str:
    """The table as text, with its header; lines end as RFC 4180 says."""
    rows = [
        {"comparison": number, **_arm(arm), **(_compared(pair) if part == "candidate" else {})}
        for number, pair in enumerate(pairs)
        for part, arm in pair.arms
    ]
    return _written(COLUMNS, rows)


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def of_rows(rows: Sequence[Row]) -> str:
    """The rows of a record that is a table, as text; all have the columns of the first."""
    return _written(tuple(rows[0]), rows)


def cell(value: Value) -> Value:
    """A value as it may stand in a cell."""
    if not isinstance(value, str):
        return value
    begins = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return f"'{spelled_out(value)}" if begins else spelled_out(value)


def _arm(arm: Arm) -> dict[str, Value]:
    memory, compute, quality, roof, start = arm.memory_bytes, arm.compute, arm.quality, arm.roofline, arm.cold_start_ns
    return {
        "role": arm.role,
        "model": arm.model,
        "runtime": arm.runtime.name,
        "version": arm.runtime.version,
        "precision": arm.runtime.precision_effective,
        "batch": arm.workload.batch,
        "threads": arm.runtime.threads,
        **_latency(arm.latency_ns),
        "samples_per_second": arm.throughput.value if arm.throughput else None,
        "first_answer_ns": start.imports.value + start.session.value + start.first_inference.value if start else None,
        "sustained_drift": arm.sustained.drift if arm.sustained else None,
        "energy_uj": arm.energy_uj.idle_subtracted if arm.energy_uj else None,
        "peak_rss_bytes": memory.peak_rss if memory else None,
        "model_increment_bytes": memory.model_increment if memory else None,
        "file_bytes": arm.artifact.bytes,
        "file_sha256": arm.artifact.sha256,
        "multiply_adds": compute.multiply_adds if compute else None,
        "parameters": compute.params if compute else None,
        "fraction_of_limit": roof.fraction_of_limit.value if roof else None,
        "bound": roof.bound if roof else None,
        "quality_metric": quality.metric if quality else None,
        "quality": quality.value if quality else None,
    }


def _latency(latency: Latency | None) -> dict[str, Value]:
    names = ("median", "p90", "p95", "p99", "p999")
    found: list[TimeEstimate | None] = [getattr(latency, name) if latency else None for name in names]
    bounds = found[0].ci if found[0] and found[0].ci else (None, None)
    times = {f"{name}_ns": estimate.value if estimate else None for name, estimate in zip(names, found, strict=True)}
    return {
        **times,
        "median_low_ns": bounds[0],
        "median_high_ns": bounds[1],
        "mean_ns": latency.mean if latency else None,
        "calls": latency.n_calls if latency else None,
    }


def _compared(pair: TimedPair) -> dict[str, Value]:
    row = pair.row
    return {
        "speed_up": None if pair.refused else row.ratio,
        "speed_up_low": None if pair.refused else row.low,
        "speed_up_high": None if pair.refused else row.high,
        "level": row.level,
        "process_pairs": row.pairs,
        "status": row.status,
        "reasons": " ".join(reason.code for reason in pair.comparison.claim.reasons),
        "claim": row.claim,
    }
