"""An ONNX graph in float64: every float32 tensor of it is widened."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def as_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which every float32 tensor is float64."""
    exact = copy.deepcopy(model)
    for tensor in exact.graph.initializer:
        _widen(tensor)
    for value in (*exact.graph.input, *exact.graph.output, *exact.graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in exact.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    return exact


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
