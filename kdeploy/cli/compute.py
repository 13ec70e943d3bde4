"""What a call costs, in words and as a table of layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kdeploy.cli import output
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.records.bench import BenchRecord, Compute
    from kdeploy.records.count import CountRecord

SURE = 0.99  # of the output elements: below it, a count is a lower bound worth naming


def bench_lines(record: BenchRecord) -> Iterator[str]:
    """A line on each model and batch, as `student: 434506 parameters, 1.07 M multiply-adds a call`."""
    lines = [
        f"{arm.model}{_at(arm.workload.batch)}: {words(arm.compute)}" for arm in record.arms if arm.compute is not None
    ]
    yield from dict.fromkeys(lines)


def roofline_lines(record: BenchRecord) -> Iterator[str]:
    """A line on each arm with a roofline, as `student@onnxruntime-b1-t1: 37 % of what this machine can do, ...`."""
    for arm in record.arms:
        if arm.roofline is not None:
            share = numbers.whole_percent(arm.roofline.fraction_of_limit.value)
            yield f"{arm.name}: {share} of what this machine can do, bound by {arm.roofline.bound}"


def words(compute: Compute) -> str:
    """Parameters and multiply-adds of a call in words, with `>=` where a part of the graph has no formula."""
    return f"{compute.params} parameters, {_least(compute)}{numbers.amount(compute.multiply_adds)} multiply-adds a call"


def show(record: CountRecord) -> None:
    """Print the layers of a model, the totals, and what was not counted."""
    compute = record.compute
    shapes = ", ".join(f"{name} {_shape(shape)}" for name, shape in record.input_shapes.items())
    headings = ("layer", "operator", "output", "multiply-adds", "share", "parameters")
    rows = [
        (
            layer.name,
            layer.op_type,
            _shape(layer.output_shape),
            str(layer.multiply_adds),
            numbers.share(layer.multiply_adds / max(1, compute.multiply_adds)),
            str(layer.parameters),
        )
        for layer in compute.layers
    ]
    output.table(f"{record.model} at {shapes}", headings, rows)
    size = "" if compute.weights_bytes is None else f", {numbers.size(compute.weights_bytes)} of stored tensors"
    output.line(f"{words(compute)}, {_least(compute)}{numbers.amount(compute.flops)} FLOPs{size}")
    if compute.uncounted_ops and compute.coverage is not None:
        names = ", ".join(f"{name} ({count})" for name, count in compute.uncounted_ops.items())
        output.line(f"not counted: {names}; {numbers.share(compute.coverage)} of the output elements are")


def _least(compute: Compute) -> str:
    return ">= " if compute.coverage is not None and compute.coverage < SURE else ""


def _at(batch: int) -> str:
    return "" if batch == 1 else f", batch {batch}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
