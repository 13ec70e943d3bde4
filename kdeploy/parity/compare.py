"""Comparison of a model with its oracle in float64: do they agree on these inputs?

    error <= 8 x the error of plain float32 + 1e-6 x scale       both errors against the oracle

so that "this runtime is wrong" is told from "float32 is noisy"; scale is the largest absolute logit of the oracle. A
decision that changes although the oracle's margin exceeds the measured error fails too; values decide nothing.

Another precision has the same rule with its own unit roundoff u, since rounding errors grow in proportion to it
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1: |error| <= n u / (1 - n u) times the sum
of the absolute products): float32 has u = 2^-24, float16 2^-11, bfloat16 2^-8, so both terms are 2^13 and 2^16 times as
large. An int8 value is off by at most half a step, 2^-8 of its tensor's largest; the typical value of a tensor of
normal numbers is a quarter of its largest, so that relative to it u = 2^-6, and both terms are 2^18 times as large.
These rows tell a wrong scale or a wrong graph from rounding. Of int8 the largest error says little beyond that, and the
answers of many inputs say more: its agreement must be 95 %, in place of no flip at all. What the rest cost in
accuracy is measured on labelled inputs, and judged where it matters: in the export, which keeps fp32 where too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from kdeploy.errors import DataError, ParityError
from kdeploy.outputs.kind import flips
from kdeploy.parity import steps
from kdeploy.parity.budget import BUDGETS
from kdeploy.parity.double import precision_of_file
from kdeploy.parity.oracle import CHUNK, Oracle
from kdeploy.parity.rows import check_rows
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes import installed
from kdeploy.runtimes.ports import of_graph
from kdeploy.runtimes.protocol import Session, Source
from kdeploy.runtimes.scratch import scratch_folder

BATCHES = (1, 2, 3, 7, 32)


def thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows of an array (rows, *shape), evenly spread: data sets are often sorted by class."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def proved(
    path: Path, model: str, oracle: Oracle, inputs: np.ndarray, runtime_name: str, at: steps.At = steps.unheard
) -> ParityRow:
    """The row of one ONNX file through one runtime against the oracle.

    Args:
        model: its name in the row.
        inputs: float32 (inputs, *shape), those of the oracle.
        at: hears of what comes next.
    Raises: ModelError when the runtime does not take the file.
    """
    name = of_graph(path).inputs[0].name
    at(steps.LOAD)
    with scratch_folder(str(path)) as scratch:
        source = Source(path, None, {name: inputs[:3]}, None)
        artefact = installed.convert(runtime_name, source, scratch)
        logits, batches = answers(runtime_name, artefact, name, inputs, at)
    precision = precision_of_file(path)
    return compare(oracle, logits, model=model, runtime=runtime_name, batches=batches, precision=precision)


def answers(
    runtime_name: str, artefact: Path, input_name: str, inputs: np.ndarray, at: steps.At = steps.unheard
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The logits of a converted model, on one thread, and the sizes of the batches (see `logits_of`).

    Args:
        inputs: float32 (inputs, *shape).
    Returns: logits (inputs, classes); without those that are left over where the batch is fixed.
    """
    with closing(installed.find(runtime_name).load(artefact, threads=1)) as session:
        return logits_of(session, input_name, inputs, at)


def logits_of(
    session: Session, input_name: str, inputs: np.ndarray, at: steps.At = steps.unheard, most: int = CHUNK
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Run every input, in batches of several sizes in turn.

    Args:
        inputs: (inputs, *shape), of the dtype that the model takes.
        most: inputs at once.
    Returns: logits (inputs, classes), without those that are left over where the batch is fixed; and the sizes.
    Raises: DataError for fewer inputs than a fixed batch has; ParityError when a batch has not a row for each input.
    """
    fixed = session.settings.get("fixed_batch")
    if fixed and len(inputs) < int(fixed):
        raise DataError("parity", f"must have {fixed} inputs for a model of that fixed batch", got=str(len(inputs)))
    sizes = (int(fixed),) if fixed else tuple(size for size in BATCHES if size <= most)
    rest = int(fixed) if fixed else most
    parts, start = [], 0
    plan = list(sizes)
    while start < len(inputs):
        size = plan.pop(0) if plan else rest
        batch = inputs[start : start + size]
        at(steps.batch(len(batch)))
        if fixed and len(batch) < size:
            break  # a fixed batch cannot take the few that are left over
        parts.append(next(iter(session.run({input_name: np.ascontiguousarray(batch)}).values())))
        check_rows(parts[-1], len(batch), "parity")
        start += size
    return np.concatenate(parts), sizes


def compare(
    oracle: Oracle, logits: np.ndarray, *, model: str, runtime: str, batches: Sequence[int], precision: str = "fp32"
) -> ParityRow:
    """The row of a comparison: how far logits are from the oracle's, and whether that is within the precision's budget.

    Args:
        logits: (inputs, classes), of the first of the oracle's inputs or all of them.
    Raises: ParityError for logits of another shape.
    """
    exact = oracle.logits[: len(logits)]  # (inputs, classes)
    if exact.shape != logits.shape:
        raise ParityError(f"{model} on {runtime}", f"must give logits of shape {exact.shape}", got=str(logits.shape))
    # NaN compares as no error at all, so it is made an infinite one; JSON has no infinity, hence the largest float
    difference = np.nan_to_num(np.abs(logits - exact), nan=np.finfo(np.float64).max, posinf=np.finfo(np.float64).max)
    error, scale = float(difference.max()), float(np.abs(exact).max())
    rule = BUDGETS[precision]
    budget = rule.allows(oracle.float32_error, scale)
    flipped, agreement = flips(oracle.kind, logits, exact, error), oracle.kind.agreement(logits, exact)
    return ParityRow(
        model=model,
        runtime=runtime,
        inputs=len(logits),
        batches=tuple(batches),
        max_abs_error=error,
        float32_error=oracle.float32_error,
        scale=scale,
        budget=budget,
        agreement=agreement,
        flips=flipped,
        worst_input=int(difference.max(1).argmax()),
        passed=error <= budget and (not flipped if rule.agreement is None else agreement >= rule.agreement),
        precision=precision,
        oracle=oracle.by,
    )


def raise_if_failed(rows: Sequence[ParityRow]) -> None:
    """Require that every row passed.

    Raises: ParityError for the first row that failed: by how much, its worst input, the first node that differs.
    """
    for row in rows:
        if not row.passed:
            raise _failure(row)


def _failure(row: ParityRow) -> ParityError:
    where = f"{row.model} on {row.runtime}" + ("" if row.precision == "fp32" else f" in {row.precision}")
    if row.fault is not None:
        return ParityError(where, row.fault.must, got=row.fault.got, advice=row.fault.advice)
    worst = f"input {row.worst_input}" if row.worst_name is None else repr(row.worst_name)
    parts = [f"off by {row.max_abs_error:.3g} at {worst}", what_changed(row)]
    if row.first_node is not None:
        parts.insert(1, f"first at {row.first_node.words}")
    advice = f"The model file is not {row.against}: export it again, and report this if it stays."
    must = f"must be within {row.budget:.3g} of {row.against} on {row.inputs} inputs"
    return ParityError(where, must, got=", ".join(parts), advice=advice)


def what_changed(row: ParityRow) -> str:
    """The number of flips in words, or the agreement where the budget is about that."""
    least = BUDGETS[row.precision].agreement
    return f"{row.flips} flipped" if least is None else f"{row.agreement:.1%} agree, of at least {least:.0%}"
