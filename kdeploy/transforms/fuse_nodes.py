"""Fuse linear pairs in an external ONNX graph, with onnxscript's rewriter.

    (x V + c) U + d = x W + b,    W = V U,  b = c U + d

for MatMul, MatMul and Add, or Gemm (W = alpha B, transposed where it says so; b = beta C), in any order, where nothing
else reads what is between. Weights and biases must be constants of the graph. Computed in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnxscript import ir
from onnxscript.rewriter import pattern

from kdeploy.transforms.fuse import LIMIT_BYTES

NO_PAIR = "no two linear layers stand next to each other"
_FLOATS = ("float16", "float32", "float64")
_NAMES = {"first": ("v", "c"), "second": ("u", "d")}


class NodePair(NamedTuple):
    """A pair that was fused: the name of what it gives, D inputs, k, H outputs."""

    output: str
    inputs: int
    width: int
    outputs: int


class GraphOutcome(NamedTuple):
    """`model` is a new one when done, else the old one; the rest is as in `Outcome`."""

    model: onnx.ModelProto
    done: bool
    reason: str
    pairs: tuple[NodePair, ...] = ()
    applies: bool = True


class _Layer(NamedTuple):
    """y = x weight + bias, float64."""

    weight: np.ndarray
    bias: np.ndarray | None
    dtype: np.dtype[Any]


def fuse_nodes(model: onnx.ModelProto, limit_bytes: int = LIMIT_BYTES) -> GraphOutcome:
    """Fuse every pair of linear layers, and what that makes into pairs.

    Refuses when there is none, and a pair whose fused weights would take more than `limit_bytes`.
    """
    graph = ir.from_proto(model)
    fusing = _Fusing(graph, limit_bytes)
    # an Add behind a MatMul goes with it: the pairs that end in an Add must be found before those that end in a MatMul
    for last in (("add", "gemm"), ("matmul",)):
        rules = pattern.RewriteRuleSet(
            [fusing.rule(first, second) for first in ("add", "gemm", "matmul") for second in last], commute=True
        )
        while rules.apply_to_model(graph):
            pass
    if not fusing.pairs:
        return GraphOutcome(model, False, fusing.too_large or NO_PAIR, applies=bool(fusing.too_large))
    ir.passes.common.RemoveUnusedNodesPass()(graph)
    shapes = ", ".join(f"{pair.inputs} x {pair.width} x {pair.outputs}" for pair in fusing.pairs)
    reason = f"one layer in place of {shapes}" + (f"; {fusing.too_large}" if fusing.too_large else "")
    return GraphOutcome(ir.to_proto(graph), True, reason, tuple(fusing.pairs))


class _Fusing:
    """What the rules share: the names that are taken, the pairs that were fused, why one was not."""

    def __init__(self, model: ir.Model, limit_bytes: int) -> None:
        self.names = {value.name for node in model.graph for value in (*node.inputs, *node.outputs) if value}
        self.limit_bytes, self.too_large = limit_bytes, ""
        self.pairs: list[NodePair] = []

    def rule(self, first: str, second: str) -> pattern.RewriteRule:
        """The rule for one kind of layer behind another."""

        def pair(op: Any, x: Any, v: Any, c: Any, u: Any, d: Any) -> Any:  # noqa: ANN401 - what a pattern is made of
            inner = _KINDS[first](op, x, v, c, "first")
            return _KINDS[second](op, inner, u, d, "second")

        def check(_context: object, **match: ir.Value) -> bool:
            return self._fits(_layer(first, "first", match), _layer(second, "second", match))

        def replace(op: Any, **match: ir.Value) -> ir.Value:  # noqa: ANN401 - a tape
            one, other = _layer(first, "first", match), _layer(second, "second", match)
            assert one is not None
            assert other is not None
            return self._replaced(op, match, one, other, as_gemm="gemm" in (first, second))

        return pattern.RewriteRule(pair, replace, check, name=f"{first}-{second}")

    def _fits(self, first: _Layer | None, second: _Layer | None) -> bool:
        if first is None or second is None or first.weight.shape[1] != second.weight.shape[0]:
            return False
        size = first.weight.shape[0] * second.weight.shape[1] * first.dtype.itemsize
        if size > self.limit_bytes:
            self.too_large = f"the fused weights would take {size} bytes, more than {self.limit_bytes}"
        return size <= self.limit_bytes and first.dtype == second.dtype

    def _replaced(
        self,
        op: Any,  # noqa: ANN401 - a tape
        match: dict[str, ir.Value],
        first: _Layer,
        second: _Layer,
        *,
        as_gemm: bool,
    ) -> ir.Value:
        output = match["second"].name or ""
        inputs, width = first.weight.shape
        self.pairs.append(NodePair(output, inputs, width, second.weight.shape[1]))
        weight, bias = first.weight @ second.weight, _sum(first, second)  # (inputs, outputs), (outputs,)
        new = [op.initializer(ir.tensor(weight.astype(first.dtype)), name=self._free(f"{output}.weight"))]
        if bias is not None:
            new.append(op.initializer(ir.tensor(bias.astype(first.dtype)), name=self._free(f"{output}.bias")))
        if as_gemm:
            return op.Gemm(match["x"], *new)
        product = op.MatMul(match["x"], new[0])
        return product if bias is None else op.Add(product, new[1])

    def _free(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name


def _matmul(op: Any, x: Any, weight: Any, _bias: Any, called: str) -> Any:  # noqa: ANN401 - what a pattern is made of
    return op.MatMul(x, weight, _outputs=[called])


def _add(op: Any, x: Any, weight: Any, bias: Any, called: str) -> Any:  # noqa: ANN401 - as above
    return op.Add(op.MatMul(x, weight), bias, _outputs=[called])


def _gemm(op: Any, x: Any, weight: Any, _bias: Any, called: str) -> Any:  # noqa: ANN401 - as above
    return op.Gemm(x, weight, _allow_other_inputs=True, _outputs=[called])


_KINDS: dict[str, Callable[..., Any]] = {"matmul": _matmul, "add": _add, "gemm": _gemm}


def _sum(first: _Layer, second: _Layer) -> np.ndarray | None:
    """The bias of the product, c U + d, shape (outputs,); None where neither layer has one."""
    parts = [] if first.bias is None else [first.bias @ second.weight]
    parts += [] if second.bias is None else [second.bias]
    return sum(parts[1:], parts[0]) if parts else None


def _layer(kind: str, called: str, match: dict[str, ir.Value]) -> _Layer | None:
    """The numbers of a layer that was found; None when they are not constants of a kind that can be multiplied out."""
    weight_name, bias_name = _NAMES[called]
    weight, node = _constant(match[weight_name]), match[called].producer()
    if weight is None or weight.ndim != 2 or weight.dtype.name not in _FLOATS or node is None:
        return None
    dtype, exact = weight.dtype, weight.astype(np.float64)
    if kind == "matmul":
        return _Layer(exact, None, dtype)
    if kind == "add":
        bias = _constant(match[bias_name])
        # a bias of two axes could add one to the output
        if bias is None or bias.ndim > 1 or bias.size not in (1, weight.shape[1]):
            return None
        return _Layer(exact, np.broadcast_to(bias.astype(np.float64), exact.shape[1]), dtype)
    return _of_gemm(node, exact, dtype)


def _of_gemm(node: ir.Node, weight: np.ndarray, dtype: np.dtype[Any]) -> _Layer | None:
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    weight = attributes.get("alpha", 1.0) * (weight.T if attributes.get("transB") else weight)
    if attributes.get("transA"):
        return None
    bias_value = node.inputs[2] if len(node.inputs) > 2 else None
    if bias_value is None:
        return _Layer(weight, None, dtype)
    bias = _constant(bias_value)
    # one row for the whole batch
    if bias is None or bias.size not in (1, weight.shape[1]) or (bias.ndim == 2 and bias.shape[0] != 1):
        return None
    bias = attributes.get("beta", 1.0) * bias.astype(np.float64).reshape(-1)
    return _Layer(weight, np.broadcast_to(bias, weight.shape[1]), dtype)


def _constant(value: ir.Value | None) -> np.ndarray | None:
    """A stored tensor that no caller can replace, or what a Constant node holds."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()
