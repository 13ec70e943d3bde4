from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import count
from kdeploy.models import deep

DIGITS = {"shape": (1, 28, 28), "classes": 10, "mean": (0.13,), "std": (0.31,)}


def test_the_layers_have_the_parameters_of_the_widths():
    # 3x3 kernels, two batch norm numbers a channel, the logits with a bias
    widths = itertools.pairwise((1, 32, 32, 64, 64, 128, 128))
    by_hand = sum(9 * before * after + 2 * after for before, after in widths) + 128 * 10 + 10
    assert by_hand == 288_170
    assert sum(value.numel() for value in deep.seeded(0, **DIGITS).parameters()) == by_hand


def test_the_exported_teacher_has_the_multiply_adds_of_its_convolutions(tmp_path: Path):
    export.write(deep.seeded(0, **DIGITS).eval(), tmp_path / "t.onnx", input_name="image", shape=(1, 28, 28))
    places = {(1, 32): 28, (32, 32): 28, (32, 64): 14, (64, 64): 14, (64, 128): 7, (128, 128): 7}
    by_hand = sum(9 * before * after * size**2 for (before, after), size in places.items()) + 128 * 10
    assert by_hand == 29_128_448
    assert count(tmp_path / "t.onnx", {"image": (1, 1, 28, 28)}).multiply_adds == by_hand


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, same, other = (deep.seeded(seed, **DIGITS).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["logits.weight"], other["logits.weight"])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 4, 7)])
def test_the_chain_is_the_net(shape: tuple[int, ...]):
    channels = shape[0]
    net = deep.seeded(0, shape=shape, classes=5, mean=[0.2] * channels, std=[0.4] * channels).eval()
    batch = torch.rand(3, *shape)
    assert net(batch).shape == (3, 5)
    assert torch.equal(net.chain()(batch), net(batch))


def test_the_chain_shares_its_layers_with_the_net():
    net = deep.seeded(0, **DIGITS)
    assert [type(layer) for layer in net.chain()][-2:] == [nn.Flatten, nn.Linear]
    assert net.chain()[-1] is net.logits
