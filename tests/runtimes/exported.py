"""A small network as the export stage hands it to a runtime: the module, and the ONNX file that it was exported to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from kdeploy.graphs import export
from kdeploy.runtimes.protocol import Source


def exported_source(folder: Path) -> Source:
    """1x8x8 -> 4 convolutions 3x3 -> ReLU -> max pool 2 -> 10 logits; two rows as the example."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    path = folder / "net.onnx"
    export.write(net.eval(), path, input_name="image", shape=(1, 8, 8))
    example = {"image": np.random.default_rng(9).standard_normal((2, 1, 8, 8)).astype("f4")}
    return Source(path, lambda: net, example, None)
