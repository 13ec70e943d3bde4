"""Networks that nobody here wrote are students: each goes from a recipe to a verified bundle, with random weights."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import made
from tests.program import inside
from tests.without_operators import name_operators

RECIPE = """\
name: any
outputs: {outputs}
data: {{numpy: data.npz, split: {{labeled: 20, unlabeled: 20, held_out: 20, test: 20}}}}
views: {{count: 1}}
teacher: [{{onnx: teacher.onnx}}]
student: {student}
distill: {{epochs: 2, batch: 10, seeds: 1}}
export: {{formats: [onnx, openvino]}}
bench: {{replicates: 2, max_seconds: 1, throughput: []}}
"""

TIMM = [
    "resnet18",
    "mobilenetv3_small_050",
    "efficientnet_b0",
    "convnext_atto",
    "mobilevit_xxs",
    "regnetx_002",
    "ghostnet_050",
    "repvgg_a0",
    "edgenext_xx_small",
    "poolformer_s12",
    "mnasnet_small",
    "tinynet_e",
    "densenet121",
]
STUDENTS = {
    **{f"timm {name}": f"{{timm: {name}}}" for name in TIMM},
    "timm vit_tiny": "{timm: vit_tiny_patch16_224, args: {img_size: 64}}",
    "torchvision resnet18": "{torchvision: resnet18, bottleneck: {layer: fc, rank: 2}}",
    "torchvision mobilenet_v2": "{torchvision: mobilenet_v2}",
    "torchvision squeezenet1_1": "{torchvision: squeezenet1_1}",
    "torchvision shufflenet_v2_x0_5": "{torchvision: shufflenet_v2_x0_5}",
    "huggingface vit": "{huggingface: vit, args: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, "
    "intermediate_size: 64, patch_size: 8}}",
    "huggingface convnext": "{huggingface: convnext, args: {hidden_sizes: [8, 16, 24, 32], depths: [1, 1, 1, 1]}}",
    "shallow": "{conv: {channels: 4, pool: 4}, bottleneck: 8, hidden: [32]}",
    "compact": "{compact: {widths: [8, 16], depthwise: true}}",
    "torch plain": '{torch: "tests.test_any_student:plain"}',
    "torch residual": '{torch: "tests.test_any_student:residual"}',
}


def plain():
    """A network without batch norm."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.GELU(), nn.Flatten(), nn.Linear(900, made.CLASSES))


def residual():
    """A network with a sum and a squeeze."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, padding=1)
            self.norm, self.last = nn.BatchNorm2d(8), nn.Linear(8, made.CLASSES)

        def forward(self, batch):
            x = self.first(batch).relu()
            x = x + self.norm(self.second(x)).sigmoid() * x
            return self.last(x.mean((2, 3)))

    return Residual()


TARGETS = {
    "classes": np.arange(80) % made.CLASSES,
    "labels": np.random.default_rng(1).integers(0, 2, (80, made.CLASSES)).astype(np.float32),
    "values": np.random.default_rng(1).normal(5, 2, (80, made.CLASSES)).astype(np.float32),
}


@pytest.mark.parametrize(("name", "outputs"), [("compact", "values"), ("torch residual", "labels")])
def test_a_few_go_from_a_recipe_to_a_verified_bundle(name: str, outputs: str, tmp_path: Path) -> None:
    _to_a_bundle(name, outputs, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("outputs", TARGETS)
@pytest.mark.parametrize("name", STUDENTS)
def test_a_network_goes_from_a_recipe_to_a_verified_bundle(name: str, outputs: str, tmp_path: Path) -> None:
    _need(name.partition(" ")[0])
    found = _to_a_bundle(name, outputs, tmp_path)
    sizes = f"{found['parameters']:,} parameters, {found['bytes']:,} bytes"
    sys.stdout.write(f"{name}, {outputs}: {sizes}\n")  # -rP shows it


def _to_a_bundle(name: str, outputs: str, folder: Path) -> dict[str, Any]:
    """What a run says of its student."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)
    np.savez(folder / "data.npz", x=pixels, y=TARGETS[outputs])
    made.linear(folder / "teacher.onnx", (3, 64, 64))
    (folder / "any.yaml").write_text(RECIPE.format(student=STUDENTS[name], outputs=outputs))
    words = ("--runs", folder / "runs", "--data-root", folder, "--trust", "--json")
    found = inside("run", folder / "any.yaml", *words)
    assert found.code == 0, found.stderr
    assert (found.document["outputs"], all(row["passed"] for row in found.document["parity"])) == (outputs, True)
    assert inside("verify", folder / "runs" / found.document["bundle"]).code == 0
    student: dict[str, Any] = found.document["student"]
    return student


def _need(package: str) -> None:
    """Skip where a package of networks is not here."""
    if package in ("timm", "torchvision", "huggingface"):
        name_operators()
        module = "transformers" if package == "huggingface" else package
        try:
            importlib.import_module(module)
        except ImportError as exc:
            pytest.skip(f"{module} cannot be imported: {exc}. Install it with: pip install 'kdeploy[{package}]'.")
