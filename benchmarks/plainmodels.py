"""ONNX models without a teacher: dense layers and convolutions with seeded weights, for one input at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUTS = 64


def dense(path: Path, widths: Sequence[int]) -> Path:
    """Linear layers of these widths with ReLU between them."""
    nodes, weights, name = [], [], "x"
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        weights.append(_drawn(f"w{number}", (inputs, outputs)))
        nodes.append(helper.make_node("MatMul", [name, f"w{number}"], [f"h{number}"]))
        nodes.append(helper.make_node("Relu", [f"h{number}"], [name := f"r{number}"]))
    return _saved(path, nodes, weights, (widths[0],), name, (widths[-1],))


def convolutions(path: Path, channels: int, layers: int, size: int = 32) -> Path:
    """3x3 convolutions over `size` x `size` pixels of 3 channels, with ReLU between them, and the mean at the end."""
    nodes, weights, name = [], [], "x"
    for number in range(layers):
        weights.append(_drawn(f"w{number}", (channels, channels if number else 3, 3, 3)))
        nodes.append(helper.make_node("Conv", [name, f"w{number}"], [f"h{number}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"h{number}"], [name := f"r{number}"]))
    nodes.append(helper.make_node("GlobalAveragePool", [name], ["mean"]))
    return _saved(path, nodes, weights, (3, size, size), "mean", (channels, 1, 1))


def inputs_of(path: Path, shape: Sequence[int]) -> Path:
    """64 different inputs."""
    np.savez(path, x=np.random.default_rng(1).random((INPUTS, *shape), dtype=np.float32))
    return path


def _drawn(name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    spread = np.sqrt(2 / np.prod(shape[1:] if len(shape) > 2 else shape[:1]))
    weights = np.random.default_rng(len(name) + shape[0]).standard_normal(shape, dtype=np.float32) * spread
    return numpy_helper.from_array(weights.astype(np.float32), name)


def _saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    shape: tuple[int, ...],
    output: str,
    result: tuple[int, ...],
) -> Path:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, *result])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path
