from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import count
from kdeploy.models.compact import CompactStudent
from kdeploy.transforms.fold_batch_norm import fold_batch_norm

SIZES = {"widths": (8, 16, 16), "depth": 2, "kernel": 3, "depthwise": False, "pool": 2, "grid": 1}
MNIST = {
    "shape": (1, 28, 28),
    "classes": 10,
    "sizes": SIZES,
    "mean": (0.13,),
    "std": (0.31,),
}
CIFAR = {
    "shape": (3, 32, 32),
    "classes": 10,
    "sizes": SIZES | {"widths": (24, 48, 96), "grid": 2},
    "mean": (0.5,) * 3,
    "std": (0.2,) * 3,
}


def _deployed(student: CompactStudent, path: Path) -> Path:
    folded = fold_batch_norm(student.eval().chain().eval())
    assert folded.done
    export.write(folded.layers, path, input_name="image", shape=(1, 28, 28))
    return path


def test_8_8_16_16_16_16_deployed_has_8962_parameters_and_its_multiply_adds(tmp_path: Path):
    channels = [1, 8, 8, 16, 16, 16, 16]
    sides = [28, 28, 14, 14, 7, 7]
    weights = [9 * before * after for before, after in itertools.pairwise(channels)]
    by_hand = sum(weights) + sum(channels[1:]) + (16 + 1) * 10
    assert by_hand == 8_962
    student = CompactStudent(**MNIST)
    student(torch.rand(20, 1, 28, 28))  # moves the statistics: a bias of 0 would be no tensor
    nn.init.ones_(student.logits.bias)
    counted = count(_deployed(student, tmp_path / "s.onnx"), {"image": (1, 1, 28, 28)})
    assert counted.parameters == by_hand
    products = sum(side * side * weight for side, weight in zip(sides, weights, strict=True)) + 160
    assert counted.multiply_adds == products


def test_24_24_48_48_96_96_with_a_grid_of_2_has_165538_trained_parameters():
    student = CompactStudent(**CIFAR)
    assert sum(value.numel() for value in student.parameters() if value.requires_grad) == 165_538


def test_depthwise_is_a_convolution_of_each_channel_and_one_of_each_pixel_but_for_the_first():
    student = CompactStudent(**CIFAR | {"sizes": CIFAR["sizes"] | {"depthwise": True}})
    found = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.groups)
        for layer in student.features
        if isinstance(layer, nn.Conv2d)
    ]
    assert found[:5] == [(3, 24, 3, 1), (24, 24, 3, 24), (24, 24, 1, 1), (24, 24, 3, 24), (24, 48, 1, 1)]
    assert len(found) == 11
    assert student(torch.rand(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("depthwise", [False, True])
def test_the_chain_is_the_network_and_folds_whole(depthwise: bool):
    torch.manual_seed(0)
    student = CompactStudent(**MNIST | {"sizes": SIZES | {"depthwise": depthwise}})
    student(torch.rand(20, 1, 28, 28))  # moves the statistics
    batch = torch.rand(4, 1, 28, 28)
    chain = student.eval().chain().eval()
    assert torch.equal(chain(batch), student(batch))
    folded = fold_batch_norm(chain).layers
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded)
    assert torch.allclose(folded(batch), student(batch), atol=1e-5)
