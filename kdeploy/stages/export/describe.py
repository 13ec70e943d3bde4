"""What an ONNX file is: its hash, sizes, counts and versions, all read back from the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdeploy.graphs.counting.count import count
from kdeploy.models.signature import signature_of
from kdeploy.records.export import Model
from kdeploy.runtimes.onnxfile import header
from kdeploy.runtimes.ports import of_graph
from kdeploy.system.files import hash_file


def describe(path: Path, shape: Sequence[int]) -> Model:
    """Describe a classifier for samples of this shape; multiply-adds are those of one sample."""
    model = header(path)
    ports = signature_of(of_graph(model), str(path))
    batch = ports.batch or 1
    cost = count(path, {ports.input: (batch, *shape)})
    return Model(
        file=path.name,
        sha256=hash_file(path),
        bytes=path.stat().st_size,
        multiply_adds=cost.multiply_adds // batch,
        parameters=cost.parameters,
        opset=max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx")),
        ir_version=model.ir_version,
        uncounted=dict(cost.uncounted),
    )


def torch_flops(module: nn.Module, shape: Sequence[int]) -> int:
    """The FLOPs that torch counts of one sample, on the CPU: a check on `describe`'s multiply-adds, twice as many.

    With gradients: without them torch 2.13 takes a path through its attention layers that it does not count.
    """
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        module(torch.zeros(1, *shape))
    return int(counter.get_total_flops())
