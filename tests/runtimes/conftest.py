"""Small ONNX models that the runtimes are tried on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.runtimes.protocol import Source


def conv_linear_model(rows: int | str = "rows") -> onnx.ModelProto:
    """1x8x8 -> 4 convolutions 3x3 -> ReLU -> max pool 2 -> 10 logits, and the sum of the logits as a second output."""
    draws = np.random.default_rng(7)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(draws.standard_normal(shape).astype(np.float32) / 4, name)

    nodes = [
        helper.make_node("Conv", ["image", "kernel", "kernel_bias"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "linear", "linear_bias"], ["logits"], transB=1),
        helper.make_node("ReduceSum", ["logits", "axes"], ["total"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "conv_linear",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [rows, 1, 8, 8])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, 10]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, [rows]),
        ],
        [
            weight("kernel", 4, 1, 3, 3),
            weight("kernel_bias", 4),
            weight("linear", 10, 64),
            weight("linear_bias", 10),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def two_input_model() -> onnx.ModelProto:
    """logits = left @ weight + right"""
    weight = np.random.default_rng(8).standard_normal((3, 5)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["left", "weight"], ["mixed"]),
            helper.make_node("Add", ["mixed", "right"], ["logits"]),
        ],
        "two_inputs",
        [
            helper.make_tensor_value_info("left", TensorProto.FLOAT, ["rows", 3]),
            helper.make_tensor_value_info("right", TensorProto.FLOAT, ["rows", 5]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 5])],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def idle_model(op_type: str) -> onnx.ModelProto:
    """y = x by an operator that does no work: the cost of a call, and a chance to hand out the caller's own array."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node(op_type, ["x"], ["y"])], "idle", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def saved_source(model: onnx.ModelProto, folder: Path) -> Source:
    path = folder / "source.onnx"
    onnx.save(model, path)
    draws = np.random.default_rng(9)
    example = {
        value.name: draws.standard_normal([dim.dim_value or 2 for dim in value.type.tensor_type.shape.dim]).astype("f4")
        for value in model.graph.input
    }
    return Source(onnx=path, module=None, example=example, calibration=None)


def calibrated(source: Source) -> Source:
    """With inputs to calibrate on, of the kind of the example: 4 batches of 16."""
    draws = np.random.default_rng(10)
    shapes = {name: (16, *array.shape[1:]) for name, array in source.example.items()}
    batches = [{name: draws.standard_normal(shape).astype("f4") for name, shape in shapes.items()} for _ in range(4)]
    return source._replace(calibration=batches)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return saved_source(conv_linear_model(), tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "converted"
    made.mkdir()
    return made
