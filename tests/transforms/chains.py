"""Chains of layers that the transformations are tried on, and the measure of how much they changed."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from kdeploy.graphs import export


def drawn(*layers: nn.Module, seed: int = 0) -> nn.Sequential:
    """A chain in evaluation mode whose every number is drawn, running statistics too."""
    chain, generator = nn.Sequential(*layers).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in chain:
            for name, value in layer.state_dict().items():
                # the constants of a Normalise are the test's; num_batches_tracked is a count
                if name not in {"mean", "std", "num_batches_tracked"}:
                    value.copy_(torch.rand(value.shape, generator=generator) * 1.5 + 0.1)
                    if name in {"weight", "bias"} and value.ndim != 1:
                        value.sub_(0.8)
    return chain


def error(found: nn.Module, truth: nn.Module, batch: Tensor) -> float:
    """The largest error of a float32 chain against the original in float64, relative to its largest output."""
    with torch.inference_mode():
        exact = copy.deepcopy(truth).double()(batch.double())
        return float((found(batch).double() - exact).abs().max() / exact.abs().max())


def operators(chain: nn.Module, path: Path, shape: tuple[int, ...]) -> list[str]:
    """The node list of the exported chain, which has passed ONNX's checker; every dense layer is called Gemm."""
    export.write(chain.eval(), path, input_name="x", shape=shape)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    # without a bias it is MatMul or Gemm, by the version of torch
    return [node.op_type.replace("MatMul", "Gemm") for node in model.graph.node]
