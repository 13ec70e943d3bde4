"""The output of kdeploy verify on the parity of models, and the error when one failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.cli import errors, output
from kdeploy.cli.precision_cost import cost_lines
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.records.parity import VerifyRecord


def finish(record: VerifyRecord, *, as_json: bool) -> None:
    """Print the parity of models.

    Raises: ParityError when a row failed, after the record was printed.
    """
    from kdeploy import api

    failed = errors.raised(api.require_parity, record)
    if as_json:
        output.record(record, failed)
    else:
        show(record)
    if failed is not None:
        raise failed


def judges(record: VerifyRecord) -> list[str]:
    """Who said what must be answered, in a line for each; of several models with their names."""
    by = {row.oracle: {one.model: None for one in record.rows if one.oracle == row.oracle} for row in record.rows}
    return [f"judged by {name}" + (f": {', '.join(models)}" if len(by) > 1 else "") for name, models in by.items()]


def show(record: VerifyRecord) -> None:
    rows = [
        (
            row.model,
            row.key,
            str(row.inputs),
            numbers.scientific(row.max_abs_error),
            numbers.scientific(row.budget),
            numbers.percent(row.agreement),
            "passed" if row.passed else "FAILED",
        )
        for row in record.rows
    ]
    output.table("parity", ("model", "runtime", "inputs", "largest error", "budget", "agreement", ""), rows)
    for words in judges(record):
        output.line(words)
    shares = [
        (family.max_abs_error / family.budget, family, row)
        for row in record.rows
        for family in row.families
        if family.budget
    ]
    if shares:
        share, family, row = max(shares, key=lambda one: one[0])
        names = {family.name for _, family, _ in shares}
        output.line(
            f"made inputs: {len(names)} families, at most {numbers.whole_percent(share)} of the budget "
            f"({family.name!r}, {row.model} on {row.runtime})"
        )
    hiding = sorted({row.runtime for row in record.rows if row.propagates_nan is False})
    if hiding:
        output.line(f"NaN in, a class out: {', '.join(hiding)}")
    for line in cost_lines(record.costs):
        output.line(line)
