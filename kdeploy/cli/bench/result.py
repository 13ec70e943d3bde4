"""The output of a benchmark, which the subcommands of kdeploy bench share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.cli import compute, output
from kdeploy.cli.bench.figures import timing_lines

if TYPE_CHECKING:
    from pathlib import Path

    from kdeploy.records.bench import BenchRecord


def show(record: BenchRecord, *, require_claim: bool, as_json: bool) -> None:
    """Print a benchmark.

    Raises: ClaimError when a claim is required, and one is not supported; in text after the result was printed.
    """
    from kdeploy import api

    # the one document of --json is the error where there is one
    if as_json:
        if require_claim:
            api.require_claims(record)
        output.record(record)
        return
    for comparison in record.comparison:
        output.line(comparison.claim.text)
        for reason in comparison.claim.reasons:
            if reason.text not in comparison.claim.text:
                output.line(f"  {reason.text}")
    notes = dict.fromkeys(note for comparison in record.comparison for note in comparison.notes)
    for line in (*notes, *compute.bench_lines(record), *compute.roofline_lines(record), *timing_lines(record)):
        output.line(line)
    if require_claim:
        api.require_claims(record)


def finish(exported: Path | None, next_command: str) -> None:
    """Print the file for another tool, if there is one, and the next command."""
    if exported is not None:
        output.line(str(exported))
    output.next_command(next_command)
