"""A spoiled graph is named by its node, whatever folds have moved; a wrong runtime by the node that it gets wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from kdeploy.graphs import export
from kdeploy.models import deep, shallow
from kdeploy.parity import bisection
from kdeploy.parity.module_truth import module_values
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Source
from kdeploy.runtimes.reference import Reference
from kdeploy.stages.export.run import _folded
from kdeploy.transforms.fuse import fuse

SHAPE = (1, 8, 8)
INPUTS = np.random.default_rng(0).random((64, *SHAPE), np.float32)  # enough to wake every unit
NET = shallow.seeded(
    1, shape=SHAPE, classes=5, convolutions=[(4, 3, 2)], bottleneck=6, hidden=[16], mean=(0.5,), std=(0.3,)
).eval()
DEEP = deep.seeded(1, shape=SHAPE, classes=4, mean=(0.5,), std=(0.25,)).eval()


class Residual(nn.Module):
    """Two branches, a norm of layers and GELU, which an exporter writes as several nodes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = nn.Linear(64, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.norm = nn.LayerNorm(16)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        here = nn.functional.gelu(self.first(batch.flatten(1)))
        logits: torch.Tensor = self.last(self.norm(here + self.second(here)))
        return logits


def exported(module: nn.Module, path: Path) -> onnx.ModelProto:
    export.write(module, path, input_name="image", shape=SHAPE)
    return onnx.load(path)


def spoil(model: onnx.ModelProto, node: onnx.NodeProto, number: int = 1) -> None:
    """One weight of a node, 1 % off: the largest."""
    [tensor] = [one for one in model.graph.initializer if one.name == node.input[number]]
    weight = numpy_helper.to_array(tensor).copy()
    weight.flat[np.abs(weight).argmax()] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))


def first(model: onnx.ModelProto, path: Path, trained: nn.Module) -> str:
    onnx.save(model, path)
    found = bisection.first_against(path, INPUTS, module_values(trained, INPUTS))
    assert found is not None
    assert found.error > found.budget
    return found.words


def weighted(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]


class Form(NamedTuple):
    """A trained network, and the graph that goes out in its place."""

    trained: nn.Module
    graph: onnx.ModelProto


FORMS = ("as it is", "folded", "fused", "batch norm folded", "residual")


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Form]:
    folder, residual = tmp_path_factory.mktemp("forms"), Residual().eval()
    folded = _folded(NET.chain(), SHAPE, "student")[0]
    nets = {
        "as it is": (NET, NET),
        "folded": (NET, folded),
        "fused": (NET, fuse(folded).layers.eval()),
        "batch norm folded": (DEEP, _folded(DEEP.chain(), SHAPE, "teacher")[0]),
        "residual": (residual, residual),
    }
    return {name: Form(trained, exported(net, folder / f"{name}.onnx")) for name, (trained, net) in nets.items()}


@pytest.mark.parametrize("name", FORMS)
def test_an_honest_graph_has_no_node_that_differs(name, forms, tmp_path):
    onnx.save(forms[name].graph, tmp_path / "m.onnx")
    values = module_values(forms[name].trained, INPUTS)
    assert bisection.first_against(tmp_path / "m.onnx", INPUTS, values) is None


@pytest.mark.parametrize("name", FORMS)
def test_a_weight_spoiled_by_one_percent_is_named_by_its_node(name, forms, tmp_path):
    trained, honest = forms[name]
    nodes = weighted(honest)
    assert len(nodes) >= 3
    for number, node in enumerate(nodes):
        model = onnx.ModelProto.FromString(honest.SerializeToString())
        spoil(model, weighted(model)[number])
        assert first(model, tmp_path / "spoiled.onnx", trained) == f"node {node.name!r} ({node.op_type})"


@pytest.fixture
def model(forms: dict[str, Form]) -> onnx.ModelProto:
    """A copy of NET's graph, to spoil."""
    return onnx.ModelProto.FromString(forms["as it is"].graph.SerializeToString())


@pytest.fixture
def path(model: onnx.ModelProto, tmp_path: Path) -> Path:
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_a_swapped_output_is_named_by_the_node_that_swaps(model, tmp_path):
    model.graph.node[-1].output[0] = "honest"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 0, 2, 3, 4]), "order"))
    model.graph.node.append(helper.make_node("Gather", ["honest", "order"], ["logits"], name="swap", axis=1))
    assert first(model, tmp_path / "swapped.onnx", NET) == "node 'swap' (Gather)"


def test_a_node_without_a_name_goes_by_its_output(model, tmp_path):
    spoil(model, model.graph.node[-1])
    model.graph.node[-1].name = ""
    assert first(model, tmp_path / "spoiled.onnx", NET) == "node 'logits' (Gemm)"


def test_two_graphs_are_compared_node_by_node(model, path, tmp_path):
    values = bisection.graph_values(path, INPUTS)
    assert bisection.first_against(path, INPUTS, values) is None
    node = weighted(model)[1]
    spoil(model, node)
    onnx.save(model, tmp_path / "b.onnx")
    found = bisection.first_against(tmp_path / "b.onnx", INPUTS, values)
    assert found is not None
    assert found.name == node.name


class Careless(Reference):
    """A runtime whose conversion spoils one weight."""

    def __init__(self, number: int) -> None:
        self.number = number

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        model = onnx.load(source.onnx)
        spoil(model, weighted(model)[self.number])
        onnx.save(model, folder / "model.onnx")
        return folder / "model.onnx"


@pytest.mark.parametrize("runtime", [Reference(), OnnxRuntime(), OpenVino()], ids=lambda runtime: runtime.name)
def test_an_honest_runtime_computes_every_node_well(runtime, path):
    assert bisection.first_on_runtime(path, runtime, INPUTS) is None


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_node_that_a_runtime_computes_wrong_is_named(number, model, path):
    node = weighted(model)[number]
    found = bisection.first_on_runtime(path, Careless(number), INPUTS)
    assert found is not None
    assert (found.name, found.operator, found.output) == (node.name, node.op_type, node.output[0])


def test_the_inputs_looked_at_are_the_worst_and_those_after_it():
    rows = np.arange(5, dtype=np.float32).reshape(5, 1)
    assert bisection.around(rows, 3).flatten().tolist() == [3, 4, 0]
    assert bisection.around(rows, 1, 7).flatten().tolist() == [1, 2, 3, 4, 0, 1, 2]
