"""A graph that ONNX Runtime optimised, or quantised, costs what the graph cost that it was made from."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import Cost, count
from tests.graphs.counting.test_torch import Block, exported


class Picture(nn.Module):
    """Convolutions with activations and a sum between them, then linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.behind = nn.Sequential(nn.Flatten(), nn.Linear(8 * 64, 16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        logits: Tensor = self.behind(torch.relu(self.second(h) + h))
        return logits


def optimised(folder: Path) -> Path:
    """What ONNX Runtime runs, before it chooses layouts for one processor."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3  # it warns that the file is for this machine
    onnxruntime.InferenceSession(folder / "net.onnx", options, providers=["CPUExecutionProvider"])
    return folder / "optimised.onnx"


def counted(path: Path, shape: tuple[int, ...], *, shapes_kept: bool) -> Cost:
    """With the shapes that ONNX Runtime wrote down, or without."""
    model = onnx.load(path)
    if not shapes_kept:
        del model.graph.value_info[:]
    return count(model, {"x": shape})


@pytest.mark.parametrize("shapes_kept", [True, False])
@pytest.mark.parametrize(
    ("net", "shape", "fused"),
    [(Picture(), (3, 8, 8), "FusedConv"), (Block(width=32, heads=4), (6, 32), "FusedMatMul")],
)
def test_what_onnx_runtime_fused_is_counted_as_before(
    net: nn.Module, shape: tuple[int, ...], fused: str, shapes_kept: bool, tmp_path: Path
):
    before = exported(net, shape, tmp_path)
    path = optimised(tmp_path)
    assert fused in {node.op_type for node in onnx.load(path).graph.node}
    after = counted(path, (1, *shape), shapes_kept=shapes_kept)
    assert after.multiply_adds == before.multiply_adds
    assert (after.coverage, after.uncounted) == (1, {})


@pytest.mark.parametrize("fused", [False, True])
def test_what_onnx_runtime_quantised_is_counted_as_before(
    fused: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)).eval()
    export.write(net, tmp_path / "float.onnx", input_name="x", shape=(64,))
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "net.onnx", weight_type=QuantType.QUInt8)
    path = optimised(tmp_path) if fused else tmp_path / "net.onnx"
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert operators & ({"DynamicQuantizeMatMul"} if fused else {"MatMulInteger"})
    cost = counted(path, (1, 64), shapes_kept=not fused)
    assert cost.multiply_adds == 64 * 16 + 16 * 10
    assert (cost.coverage, cost.uncounted) == (1, {})
    assert cost.weights_bytes < 2 * (64 * 16 + 16 * 10)
