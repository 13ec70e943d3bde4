"""Bisection: where does a model start to be wrong? The first node whose output differs from what it must be.

    a node is right    when its output, in float64, is one of the values that the trusted network computes on its way
    a node is suspect  when it is not right, and only such nodes lie between it and the logits
    the culprit        is the first suspect

A trusted value is matched by size and content, never by name, so folds and fusing may move the borders of layers:
folded batch norm answers what the norm answered, U (V x) fused what U did. Values that only one of the two has (x W
before its bias is added) are not right and do no harm, since a right node comes after them. For a runtime the trusted
value of each node is the same node's in float64.

    match: error <= 8 x the error of plain float32 + 1e-6 x scale       as in `compare`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from kdeploy.errors import KdeployError, ModelError
from kdeploy.parity.budget import FP32
from kdeploy.parity.double import as_double, as_single
from kdeploy.parity.oracle import EVALUATOR
from kdeploy.records.parity import NodeDifference
from kdeploy.runtimes.border import reading
from kdeploy.runtimes.ports import of_graph
from kdeploy.runtimes.protocol import Refused, Runtime, Source
from kdeploy.runtimes.scratch import scratch_folder

INPUTS = 3  # every value of the network is in memory, in float64


class Value(NamedTuple):
    """One value inside a network: float64 (inputs, elements), and how far off it may be."""

    exact: np.ndarray
    budget: float


def around(inputs: np.ndarray, worst: int, count: int | None = None) -> np.ndarray:
    """The worst input and those after it, to look for the node with.

    Args:
        inputs: float32 (inputs, *shape).
    Returns: float32 (count, *shape); without a count, 3 of them.
    """
    return np.ascontiguousarray(inputs[(worst + np.arange(count or INPUTS)) % len(inputs)])


def graph_values(path: Path, inputs: np.ndarray) -> list[Value]:
    """The values of the input and of each node of a graph, for inputs float32 (inputs, *shape)."""
    model = onnx.load(path)
    exact, plain = _evaluated(as_double(model), inputs.astype(np.float64)), _evaluated(model, inputs)
    return [value_of(array, plain[name]) for name, array in exact.items() if _has_rows(array, len(inputs))]


def first_against(path: Path, inputs: np.ndarray, trusted: Sequence[Value]) -> NodeDifference | None:
    """The first node of a graph that is not among the trusted values; None when the logits are.

    Args:
        inputs: those that the trusted values were computed for, float32 (inputs, *shape).
    """
    model = onnx.load(path)
    values = _evaluated(as_double(model), inputs.astype(np.float64))

    def judge(name: str) -> tuple[float, float] | None:
        array = values.get(name)
        return _nearest(array, trusted) if array is not None and _has_rows(array, len(inputs)) else None

    return _first(model.graph, judge)


def first_on_runtime(path: Path, runtime: Runtime, inputs: np.ndarray) -> NodeDifference | None:
    """The first node that a runtime computes wrong, of a copy of the model that gives every value.

    None when it computes all of them well, or takes no such copy: an error may be in how it fuses nodes.

    Args:
        inputs: float32 (inputs, *shape).
    """
    model = onnx.load(path)
    exact, plain = _evaluated(as_double(model), inputs.astype(np.float64)), _evaluated(model, inputs)
    try:
        answers = _answers(model, runtime, inputs)
    except (KdeployError, Refused):
        return None

    def judge(name: str) -> tuple[float, float] | None:
        if name not in answers or answers[name].shape != exact[name].shape:
            return None
        return _distance(answers[name], exact[name]), value_of(exact[name], plain[name]).budget

    return _first(model.graph, judge)


def first_not_finite(path: Path, inputs: np.ndarray) -> NodeDifference | None:
    """The node of a graph at which the NaN or infinity of its logits begins, in float64 or float32.

    None where it has none for these inputs, or the evaluator does not take it. Infinity that the graph deals with, as
    the mask of an attention, is nobody's fault.

    Args:
        inputs: float32 (inputs, *shape).
    """
    model = onnx.load(path)
    try:
        with reading(str(path), EVALUATOR), np.errstate(all="ignore"):
            exact, plain = (
                _evaluated(as_double(model), inputs.astype(np.float64)),
                _evaluated(as_single(model), inputs),
            )
    except ModelError:
        return None

    def judge(name: str) -> tuple[float, float] | None:
        if name not in exact:
            return None
        return float(np.count_nonzero(~np.isfinite(exact[name]) | ~np.isfinite(plain[name]))), 0.0

    return _first(model.graph, judge)


def _evaluated(model: onnx.ModelProto, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every floating-point value of a graph by name, the input among them."""
    values = ReferenceEvaluator(model).run(None, {_input(model): inputs}, intermediate=True)
    assert isinstance(values, dict)
    return {name: array for name, array in values.items() if isinstance(array, np.ndarray) and array.dtype.kind == "f"}


def value_of(exact: np.ndarray, plain: np.ndarray) -> Value:
    """A value in float64, with the budget that the same value in float32 gives it.

    Args:
        exact: float64 (inputs, *any), or a scalar.
        plain: the same in float32.
    """
    rows = exact.reshape(len(exact), -1).astype(np.float64) if exact.ndim else exact.reshape(1, 1).astype(np.float64)
    scale = float(np.abs(rows).max(initial=0.0))  # rows: (inputs, elements)
    return Value(rows, FP32.allows(_distance(plain, exact), scale))


def _nearest(array: np.ndarray, trusted: Sequence[Value]) -> tuple[float, float]:
    """The error against the trusted value that is nearest for its budget, and that budget."""
    rows = array.reshape(len(array), -1)  # (inputs, elements)
    same = [value for value in trusted if value.exact.shape == rows.shape]
    judged = [(_distance(rows, value.exact), value.budget) for value in same]
    return min(judged, key=lambda pair: pair[0] - pair[1], default=(np.finfo(np.float64).max, 0.0))


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    most = np.finfo(np.float64).max
    with np.errstate(invalid="ignore"):
        difference = np.abs(one.astype(np.float64) - other.reshape(one.shape))
    return float(np.nan_to_num(difference, nan=most, posinf=most).max(initial=0.0))


def _has_rows(array: np.ndarray, rows: int) -> bool:
    return array.shape[:1] == (rows,)


def _first(graph: onnx.GraphProto, judge: Callable[[str], tuple[float, float] | None]) -> NodeDifference | None:
    """The first suspect in the order of the graph, which is topological."""
    suspected, first = {graph.output[0].name}, None
    for node in reversed(graph.node):
        outputs = [name for name in node.output if name in suspected]
        judged = {name: judge(name) for name in outputs}
        wrong = {name: pair for name, pair in judged.items() if pair is not None and pair[0] > pair[1]}
        if wrong:
            name, (error, budget) = next(iter(wrong.items()))
            first = NodeDifference(name=node.name, operator=node.op_type, output=name, error=error, budget=budget)
        # what cannot be judged (a shape, an index) hands the suspicion on
        if wrong or any(pair is None for pair in judged.values()):
            suspected.update(node.input)
    return first


def _answers(model: onnx.ModelProto, runtime: Runtime, inputs: np.ndarray) -> dict[str, np.ndarray]:
    with scratch_folder() as scratch:
        path = Path(scratch, "every-value.onnx")
        name = _input(model)
        onnx.save(_with_every_value(model), path)
        target = Path(scratch, "converted")
        target.mkdir()
        artefact = runtime.convert(Source(path, None, {name: inputs}, None), target, precision="fp32")
        session = runtime.load(artefact, threads=1)
        answers = session.run({name: inputs})
        session.close()
    return answers


def _with_every_value(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose outputs are the float32 values of all nodes."""
    exposed = onnx.shape_inference.infer_shapes(model)
    values = {value.name: value for value in exposed.graph.value_info}
    for node in exposed.graph.node:
        for name in node.output:
            if name in values and values[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
                exposed.graph.output.append(values[name])
    return exposed


def _input(model: onnx.ModelProto) -> str:
    return of_graph(model).inputs[0].name
