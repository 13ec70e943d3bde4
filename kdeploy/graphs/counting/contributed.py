"""Output shapes of ONNX Runtime's own operators, which ONNX's shape inference does not know.

Each has a standard operator that gives the same shape: ONNX infers that of the stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import onnx
from onnx.shape_inference import infer_node_outputs

from kdeploy.graphs.counting.attention import projected_widths
from kdeploy.graphs.counting.formulas import Shapes, untransposed
from kdeploy.graphs.counting.operators import CONTRIBUTED, LIKE_THEIR_INPUT, Shape, attributes, has_input, operator

OPSET = 18  # the stand-ins mean the same in every later one
CONVOLUTION = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


class StandIn(NamedTuple):
    """A standard operator, the shapes it reads, and its attributes."""

    operator: str
    shapes: tuple[Shape, ...]
    attributes: Mapping[str, Any] = {}


def output_shape(node: onnx.NodeProto, shapes: Shapes) -> Shape | None:
    """The shape of a node's first output; None for an operator, or an input's shape, that is not known here.

    Raises: what ONNX raises for shapes that do not fit.
    """
    stand_in = _like_its_input if operator(node) in LIKE_THEIR_INPUT else STAND_INS.get(operator(node))
    try:
        return None if stand_in is None else _inferred(stand_in(node, shapes))
    except KeyError:
        return None


def _like_its_input(node: onnx.NodeProto, shapes: Shapes) -> StandIn:
    return StandIn("Identity", (shapes[node.input[0]],))


def _convolution(node: onnx.NodeProto, shapes: Shapes) -> StandIn:
    kept = {key: value for key, value in attributes(node).items() if key in CONVOLUTION}
    return StandIn("Conv", (shapes[node.input[0]], shapes[node.input[1]]), kept)


def _general_product(node: onnx.NodeProto, shapes: Shapes, *, right: int = 1) -> StandIn:
    flags = {key: value for key, value in attributes(node).items() if key in ("transA", "transB")}
    return StandIn("Gemm", (shapes[node.input[0]], shapes[node.input[right]]), flags)


def _product(node: onnx.NodeProto, shapes: Shapes) -> StandIn:
    """The stand-in of FusedMatMul, and of the products that cannot transpose."""
    flags = attributes(node)
    left = untransposed(shapes[node.input[0]], flags.get("transA", 0), flags.get("transBatchA", 0))
    right = untransposed(shapes[node.input[1]], flags.get("transB", 0), flags.get("transBatchB", 0))
    return StandIn("MatMul", (left, right))


def _attention(node: onnx.NodeProto, shapes: Shapes) -> StandIn:
    return StandIn("Identity", ((*shapes[node.input[0]][:2], projected_widths(node, shapes)[2]),))


def _heads(node: onnx.NodeProto, shapes: Shapes) -> StandIn:
    """The stand-in of MultiHeadAttention: (batch, queries, heads x value width), whatever form its inputs have."""
    query = shapes[node.input[0]]
    if len(query) == 5:
        return StandIn("Identity", ((*query[:2], query[2] * query[4]),))
    if not has_input(node, 2):
        return StandIn("Identity", (query,))  # keys and values are packed, of one width
    value = shapes[node.input[2]]
    return StandIn("Identity", ((*query[:2], value[2] if len(value) == 3 else value[1] * value[3]),))


STAND_INS: Mapping[str, Callable[[onnx.NodeProto, Shapes], StandIn]] = {
    f"{CONTRIBUTED}::Attention": _attention,
    f"{CONTRIBUTED}::DynamicQuantizeMatMul": _product,
    f"{CONTRIBUTED}::FusedConv": _convolution,
    f"{CONTRIBUTED}::FusedGemm": _general_product,
    f"{CONTRIBUTED}::FusedMatMul": _product,
    f"{CONTRIBUTED}::MatMulIntegerToFloat": _product,
    f"{CONTRIBUTED}::MultiHeadAttention": _heads,
    f"{CONTRIBUTED}::QGemm": partial(_general_product, right=3),
}


def _inferred(stand_in: StandIn) -> Shape | None:
    names = [f"input{number}" for number in range(len(stand_in.shapes))]
    node = onnx.helper.make_node(stand_in.operator, names, ["output"], **stand_in.attributes)
    kind = onnx.TensorProto.FLOAT
    types = {
        name: onnx.helper.make_tensor_type_proto(kind, shape)
        for name, shape in zip(names, stand_in.shapes, strict=True)
    }
    schema = onnx.defs.get_schema(stand_in.operator, OPSET)
    dims = infer_node_outputs(schema, node, types)["output"].tensor_type.shape.dim
    return tuple(dim.dim_value for dim in dims)
