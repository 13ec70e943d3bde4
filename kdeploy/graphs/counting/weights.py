"""Parameters and bytes of the tensors that a graph stores.

A parameter is an element of a stored floating-point tensor, rank 1 or more, that a node with a formula, an Add or a
norm reads as weight or bias, directly or through nodes that only move or convert it; a quantised one counts where it is
dequantised, or read by an operator on integers. A tensor read twice counts once, at its first reader. The running mean
and variance of a BatchNormalization are no parameters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import onnx

from kdeploy.graphs.counting.formulas import FORMULAS
from kdeploy.graphs.counting.operators import CONTRIBUTED, NORMS, operator

READERS = {*FORMULAS, "Add", *NORMS.split()}
CARRIERS = frozenset(
    ["Cast", "DequantizeLinear", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"]
)
FIRST_THREE = (0, 1, 2)  # a BatchNormalization's fourth and fifth are running statistics
# where weights and biases are among the inputs, scales and zero points left out
PLACES = {
    "DeformConv": (1, 3),
    "GRU": (1, 2, 3),
    "LSTM": (1, 2, 3, 7),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "RNN": (1, 2, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    f"{CONTRIBUTED}::DynamicQuantizeMatMul": (1, 4),
    f"{CONTRIBUTED}::MatMulIntegerToFloat": (0, 1, 6),
    f"{CONTRIBUTED}::MultiHeadAttention": (0, 1, 2, 3),
    f"{CONTRIBUTED}::QGemm": (0, 3, 6),
}
ON_INTEGERS = frozenset(
    [
        *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *(f"{CONTRIBUTED}::{name}" for name in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm")),
    ]
)
FLOATS = frozenset(
    [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE]
)


def parameters(graph: onnx.GraphProto) -> Counter[int]:
    """The numbers of parameters, by the index of the node that reads them first."""
    tensors = stored(graph)
    producers = {name: node for node in graph.node for name in node.output}
    claimed: set[str] = set()
    counts: Counter[int] = Counter()
    for index, node in enumerate(graph.node):
        name = operator(node)
        if name not in READERS:
            continue
        for place in PLACES.get(name, FIRST_THREE):
            source = node.input[place] if place < len(node.input) else ""
            tensor = _tensor_behind(source, tensors, producers, integers=name in ON_INTEGERS)
            if tensor is not None and tensor.name not in claimed:
                claimed.add(tensor.name)
                counts[index] += math.prod(tensor.dims)
    return counts


def _tensor_behind(
    name: str, tensors: Mapping[str, onnx.TensorProto], producers: Mapping[str, onnx.NodeProto], *, integers: bool
) -> onnx.TensorProto | None:
    """The stored tensor that arrives under this name, if it could be a parameter."""
    while name not in tensors:
        node = producers.get(name)
        if node is None or node.op_type not in CARRIERS:
            return None
        integers |= node.op_type == "DequantizeLinear"
        name = node.input[0]
    tensor = tensors[name]
    return tensor if tensor.dims and (integers or tensor.data_type in FLOATS) else None


def stored(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The stored tensors of a graph by name: its initialisers, and those of Constant nodes by their output."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                tensor = onnx.TensorProto()
                tensor.CopyFrom(attribute.t)
                tensor.name = node.output[0]
                tensors[tensor.name] = tensor
    return tensors


def size_bytes(tensor: onnx.TensorProto) -> int:
    """The bytes of a tensor, packed as a file holds it: two 4-bit elements share a byte."""
    bits = 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    packed = {onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4}.get(tensor.data_type, bits)
    return int(math.prod(tensor.dims) * packed + 7) // 8
