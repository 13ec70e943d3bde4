"""Networks of torchvision, counted by `kdeploy show` and compared with the figures that torchvision publishes of them.

    pip install torchvision
    python benchmarks/published_counts.py

Untrained, each exported as its modules stand: a batch norm that is folded, or a table that is spread out, is other
parameters. torchvision publishes thousand millions of multiply-adds with three decimals (`_ops`), and `num_params`.
"""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import onnx
import sections
import torch
import torchvision
from torch import nn
from torchvision import models

from kdeploy import api
from kdeploy.system import host

NAMES = """resnet18 resnet50 vgg11 mobilenet_v2 mobilenet_v3_small squeezenet1_1 densenet121 googlenet efficientnet_b0
    shufflenet_v2_x1_0 regnet_y_400mf convnext_tiny vit_b_16 swin_t"""
WEIGHTS = "IMAGENET1K_V1"
# as it was published; its classifiers beside the last are for training alone
OPTIONS = {"googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False}}


class Row(NamedTuple):
    """A network: what `kdeploy show` counts, and what is published."""

    name: str
    size: int  # pixels
    multiply_adds: int
    parameters: int
    published_ops: float  # thousand millions of multiply-adds
    published_parameters: int

    @property
    def is_equal(self) -> bool:
        ops = round(self.multiply_adds / 1e9, 3)
        return (ops, self.parameters) == (self.published_ops, self.published_parameters)


def main() -> None:
    rows = [counted(name) for name in NAMES.split()]
    headings = ("net", "pixels", "multiply-adds", "published, G", "parameters", "published", "equal")
    cells = [
        (
            row.name,
            str(row.size),
            f"{row.multiply_adds:,}",
            f"{row.published_ops:.3f}",
            f"{row.parameters:,}",
            f"{row.published_parameters:,}",
            "yes" if row.is_equal else "no",
        )
        for row in rows
    ]
    equal = f"Equal in every published digit: {sum(row.is_equal for row in rows)} of {len(rows)}."
    sections.replace("published-counts", [*head(), *sections.table(headings, cells), equal, ""])


def head() -> list[str]:
    found = {"torch": torch.__version__, "torchvision": torchvision.__version__, "onnx": onnx.__version__}
    return [
        "## published counts",
        "",
        "- command: `python benchmarks/published_counts.py`",
        f"- machine: {host.cpu_model() or platform.machine()}, {os.cpu_count()} CPUs; nothing here depends on it",
        f"- versions: {sections.versions(found)}",
        "",
    ]


def counted(name: str) -> Row:
    """One network, exported at the size of its published weights and counted."""
    weights = models.get_model_weights(name)[WEIGHTS]
    [size] = weights.transforms().crop_size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        export(models.get_model(name, weights=None, **OPTIONS.get(name, {})).eval(), path, size)
        compute = api.show_model(path).compute
    return Row(name, size, compute.multiply_adds, compute.params, weights.meta["_ops"], weights.meta["num_params"])


def export(net: nn.Module, path: Path, size: int) -> None:
    """Write a network with its weights in a file beside it: one alone may hold no more than the inspector takes."""
    for value in net.parameters():
        value.data += 1e-3 * torch.randn(value.shape)  # equal tensors would be stored once
    as_it_is = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, which is to go; its successor folds and spreads out
        torch.onnx.export(net, (torch.zeros(1, 3, size, size),), path, opset_version=18, dynamo=False, **as_it_is)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
