"""An ONNX graph in a wider type: float64 for every float of it, or float32 for what is narrower than that.

What a graph computes in half precision is part of its rounding, not of its meaning: an oracle widens that too, and the
answer is judged in the budget of the lowest precision that the graph computes in.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

QUANTIZED = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"})
PRECISIONS = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
NARROW = frozenset(PRECISIONS)


def as_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which every float is float64."""
    return _widened(model, {TensorProto.FLOAT, *NARROW}, TensorProto.DOUBLE)


def as_single(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, or a copy in which every float that is narrower is float32."""
    return model if NARROW.isdisjoint(_types(model.graph)) else _widened(model, NARROW, TensorProto.FLOAT)


def precision_of_file(path: Path) -> str:
    """The lowest precision that the graph of a file computes in, see `precision_of`."""
    return precision_of(onnx.load(path, load_external_data=False))


def precision_of(model: onnx.ModelProto) -> str:
    """The lowest precision that a graph computes in: `int8` where it quantizes what it computes, `bf16` or `fp16` where
    it stores, declares or casts to that; weights need not be loaded."""
    if any(node.op_type in QUANTIZED for node in model.graph.node):
        return "int8"
    types = set(_types(model.graph))
    return next((name for kind, name in reversed(PRECISIONS.items()) if kind in types), "fp32")


def _types(graph: onnx.GraphProto) -> Iterator[int]:
    yield from (tensor.data_type for tensor in graph.initializer)
    yield from (value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t.data_type
            elif node.op_type == "Cast" and attribute.name == "to":
                yield attribute.i


def _widened(model: onnx.ModelProto, narrow: Collection[int], wide: int) -> onnx.ModelProto:
    widened = copy.deepcopy(model)
    for tensor in widened.graph.initializer:
        _widen(tensor, narrow, wide)
    for value in (*widened.graph.input, *widened.graph.output, *widened.graph.value_info):
        if value.type.tensor_type.elem_type in narrow:
            value.type.tensor_type.elem_type = wide
    for node in widened.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t, narrow, wide)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in narrow:
                attribute.i = wide
    return widened


def _widen(tensor: TensorProto, narrow: Collection[int], wide: int) -> None:
    if tensor.data_type in narrow:
        dtype: np.dtype[np.generic] = helper.tensor_dtype_to_np_dtype(wide)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
