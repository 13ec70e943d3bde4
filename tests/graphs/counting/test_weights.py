"""Parameters of a graph are those of the network in torch that it was exported from, however a layer reads them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from kdeploy.graphs.counting.count import Cost, count
from tests.graphs.counting.test_count import model_of, zeros


class Tokens(nn.Module):
    """Words from an input of numbers, a token in front, positions, a scale for each channel, a slope: 5 x 8 inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(40, 8)
        self.front = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 9, 8))
        self.scale = nn.Parameter(torch.randn(8))
        self.slope = nn.PReLU(8)
        self.power = nn.Parameter(torch.rand(1) + 2)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        words = self.words(x.long())
        h = torch.cat([self.front.expand(x.shape[0], -1, -1), words], 1) + self.positions[:, :6]
        h = self.slope((h * self.scale).transpose(1, 2)).abs().clamp(min=1e-3)
        logits: Tensor = self.out(h.pow(self.power).mean(2))
        return logits


class Tied(nn.Module):
    """One table that is read as an embedding and as the last layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(40, 8), nn.Linear(8, 40)
        self.out.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out(self.words(x.long()).mean(1))
        return logits


class Normed(nn.Module):
    """Buffers that are none: what normalises the input, running statistics; and a weight with its norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))
        self.register_buffer("deviation", torch.rand(1, 3, 1, 1) + 1)
        self.length, self.direction = nn.Parameter(torch.rand(4, 1, 1, 1)), nn.Parameter(torch.rand(4, 3, 3, 3))
        self.norm, self.last = nn.BatchNorm2d(4), nn.LayerNorm([4, 6, 6])
        self.shift = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.length * self.direction / self.direction.square().sum((1, 2, 3), keepdim=True).sqrt()
        h = functional.conv2d((x - self.mean) / self.deviation, weight)
        return (self.last(torch.relu(self.norm(h))) - self.shift).mean((2, 3))


def as_written(net: nn.Module, shape: Sequence[int], path: Path) -> Cost:
    """The cost of a network that is exported as it is: no batch norm or slice of a tensor is folded."""
    preserved = torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this exporter is old, and takes a tenth of the time
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, *shape),),
            path,
            input_names=["x"],
            dynamo=False,
            training=preserved,
            do_constant_folding=False,
        )
    return count(path, {"x": (1, *shape)})


@pytest.mark.parametrize(("net", "shape"), [(Tokens(), (5,)), (Tied(), (5,)), (Normed(), (3, 8, 8))])
def test_parameters_are_those_that_torch_counts(net: nn.Module, shape: Sequence[int], tmp_path: Path):
    for number, value in enumerate(net.parameters()):
        value.data += 0.01 * number  # the exporter stores equal tensors once
    assert as_written(net, shape, tmp_path / "net.onnx").parameters == sum(value.numel() for value in net.parameters())


def counted(nodes: Sequence[onnx.NodeProto], *tensors: onnx.TensorProto) -> Cost:
    return count(model_of(nodes, {"x": [1, 6]}, tensors), {"x": (1, 6)})


def test_an_embedding_counts_and_its_indices_do_not():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Gather", ["table", "indices"], ["rows"]),
        helper.make_node("Mul", ["h", "rows"], ["y"]),
    ]
    indices = numpy_helper.from_array(np.array([2, 0, 1], np.int64), "indices")
    cost = counted(nodes, zeros("w", 6, 6), zeros("table", 40, 6), indices)
    assert cost.parameters == 36 + 240
    assert [(layer.name, layer.parameters) for layer in cost.layers] == [("h", 36), ("y", 240)]


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [("Clip", ["x", "", "bound"]), ("Div", ["x", "bound"]), ("Sub", ["x", "bound"])],
)
def test_bounds_and_what_normalises_the_input_are_no_parameters(operator: str, inputs: list[str]):
    assert counted([helper.make_node(operator, inputs, ["y"])], zeros("bound", 6)).parameters == 0


def test_what_becomes_a_shape_is_no_parameter():
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axes"], ["image"]),
        helper.make_node("Shape", ["image"], ["lengths"]),
        helper.make_node("Cast", ["lengths"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "factors"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["sizes"], to=onnx.TensorProto.INT64),
        helper.make_node("Resize", ["image", "", "", "sizes"], ["y"]),
    ]
    factors = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors")
    axes = numpy_helper.from_array(np.array([0, 1], np.int64), "axes")
    assert counted(nodes, factors, axes).parameters == 0


def test_a_quantised_table_counts_its_elements_and_not_its_scales():
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scales"], ["table"], axis=0),
        helper.make_node("Cast", ["x"], ["indices"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["table", "indices"], ["y"]),
    ]
    assert counted(nodes, zeros("stored", 40, 6, dtype="int8"), zeros("scales", 40)).parameters == 240


def test_a_single_number_in_a_constant_node_is_no_parameter():
    nodes = [
        helper.make_node("Constant", [], ["scale"], value=zeros("stored", 1)),
        helper.make_node("Mul", ["x", "scale"], ["y"]),
    ]
    assert counted(nodes).parameters == 0
