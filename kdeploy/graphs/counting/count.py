"""The cost of one call of an ONNX graph: its multiply-adds at concrete input shapes, counted from the graph itself.

    multiply_adds = sum over nodes of the operator's formula          (kdeploy.graphs.counting.formulas)

(a multiply-add is one multiplication and the addition that takes it up). Biases, activations, pooling, normalisation,
element by element arithmetic and moves of data do no multiply-add by definition: they are covered with 0. An operator
with no formula is listed in `uncounted`, and `coverage` is the share of output elements that come from operators we
know; below 1, `multiply_adds` is a lower bound.

Counted here and not by torch: what runs is the graph, and torch 2.13 counts 0 for attention on a CPU and for LSTM.
`parameters` and `weights_bytes` are those of kdeploy.graphs.counting.weights.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from kdeploy.errors import ModelError
from kdeploy.graphs.counting import weights
from kdeploy.graphs.counting.concrete import concrete
from kdeploy.graphs.counting.formulas import FORMULAS
from kdeploy.graphs.counting.operators import WITHOUT_MULTIPLY_ADDS, Shape, operator

COVERED = WITHOUT_MULTIPLY_ADDS | FORMULAS.keys()


@dataclass(frozen=True)
class Layer:
    """A node that multiplies or has parameters."""

    name: str
    op_type: str
    output_shape: Shape
    multiply_adds: int
    parameters: int


@dataclass(frozen=True)
class Cost:
    """The cost of one call at concrete input shapes."""

    multiply_adds: int
    parameters: int
    weights_bytes: int
    layers: tuple[Layer, ...]
    uncounted: Mapping[str, int]  # operator -> number of nodes
    coverage: float  # 0 when an uncounted node's size is unknown, for then nothing can be said

    @property
    def flops(self) -> int:
        """Twice the multiply-adds."""
        return 2 * self.multiply_adds


def count(model: Path | onnx.ModelProto, input_shapes: Mapping[str, Shape]) -> Cost:
    """Count one call with inputs of these shapes, one for each input of the graph.

    Raises: DataError when the shapes are not those of the graph's inputs; ModelError when the graph is inconsistent.
    """
    where = str(model) if isinstance(model, Path) else f"model '{model.graph.name}'"
    graph, shapes = concrete(model, input_shapes, where)
    parameters = weights.parameters(graph)
    layers = tuple(_layers(graph, shapes, parameters, where))
    uncounted = [node for node in graph.node if operator(node) not in COVERED]
    return Cost(
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        parameters=sum(layer.parameters for layer in layers),
        weights_bytes=sum(weights.size_bytes(tensor) for tensor in weights.stored(graph).values()),
        layers=layers,
        uncounted=dict(Counter(operator(node) for node in uncounted)),
        coverage=_coverage(graph.node, uncounted, shapes),
    )


def _layers(
    graph: onnx.GraphProto, shapes: Mapping[str, Shape], parameters: Mapping[int, int], where: str
) -> Iterator[Layer]:
    for index, node in enumerate(graph.node):
        formula = FORMULAS.get(operator(node))
        try:
            multiply_adds = formula(node, shapes) if formula is not None else 0
        except KeyError as exc:
            named = node.name or node.output[0]
            advice = "A node before it has an operator whose shapes ONNX does not know."
            raise ModelError(
                where, f"node '{named}' must have known shapes", got=f"none of {exc}", advice=advice
            ) from exc
        if multiply_adds or parameters[index]:
            shape = shapes.get(node.output[0], ())
            yield Layer(node.name or node.output[0], node.op_type, shape, multiply_adds, parameters[index])


def _coverage(nodes: Iterable[onnx.NodeProto], uncounted: list[onnx.NodeProto], shapes: Mapping[str, Shape]) -> float:
    if any(name not in shapes for node in uncounted for name in node.output if name):
        return 0.0
    total = sum(_output_elements(node, shapes) for node in nodes)
    return 1 - sum(_output_elements(node, shapes) for node in uncounted) / total if total else 1.0


def _output_elements(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    return sum(math.prod(shapes[name]) for name in node.output if name in shapes)
