"""Small classifiers and data sets that tests make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 3


def linear(
    path: Path,
    shape: tuple[int, ...],
    *,
    width: int = 16,
    seed: int = 0,
    weights_dtype: str = "float32",
    classes: int = CLASSES,
) -> Path:
    """An ONNX classifier: flatten -> linear -> ReLU -> 3 logits."""
    draws = np.random.default_rng(seed)
    size = int(np.prod(shape))
    weights = {"first": (size, width), "second": (width, classes)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array((draws.standard_normal(size_) / np.sqrt(size_[0])).astype(weights_dtype), name)
            for name, size_ in weights.items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def graph(path: Path, nodes: list[onnx.NodeProto], shape: tuple[int, ...], classes: int, **weights: np.ndarray) -> Path:
    """A graph of opset 17 from x (n, *shape) to y (n, classes)."""
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def images(path: Path, count: int = 240) -> Path:
    """8x8 grey images whose class is the third of the picture that is bright."""
    draws = np.random.default_rng(1)
    labels = np.arange(count) % CLASSES
    pixels = draws.integers(0, 80, (count, 8, 8), dtype=np.uint8)
    for row, label in enumerate(labels):
        pixels[row, 3 * label : 3 * label + 2] += 120
    np.savez(path, x=pixels, y=labels, classes=np.array(["top", "middle", "bottom"]))
    return path


def points(path: Path, count: int = 240) -> Path:
    """Points in the plane around three centres."""
    draws = np.random.default_rng(2)
    labels = np.arange(count) % CLASSES
    centres = np.array([[0, 2], [2, -1], [-2, -1]], np.float32)
    np.savez(path, x=(centres[labels] + draws.standard_normal((count, 2)) / 3).astype(np.float32), y=labels)
    return path


def vision_transformer() -> Any:
    """The configuration of a small vision transformer for 8x8 grey images; with the extra huggingface."""
    import transformers

    return transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
        num_channels=1,
        num_labels=3,
    )
