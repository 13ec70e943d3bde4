from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import count
from kdeploy.models import mlp
from kdeploy.models.dropout import Dropout

DIGITS = {"shape": (1, 28, 28), "classes": 10, "mean": (0.13,), "std": (0.31,)}


def test_hintons_teacher_has_the_parameters_and_multiply_adds_of_its_widths(tmp_path: Path):
    net = mlp.seeded(0, **DIGITS, hidden=(1200, 1200))
    products = 784 * 1200 + 1200 * 1200 + 1200 * 10
    assert sum(value.numel() for value in net.parameters()) == products + 1200 + 1200 + 10
    export.write(net.eval(), tmp_path / "t.onnx", input_name="image", shape=(1, 28, 28))
    assert count(tmp_path / "t.onnx", {"image": (1, 1, 28, 28)}).multiply_adds == products


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, same, other = (mlp.seeded(seed, **DIGITS, hidden=(8,)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["logits.weight"], other["logits.weight"])


@pytest.mark.parametrize("shape", [(1, 4, 5), (6,)])
def test_the_chain_is_the_net_in_evaluation_and_holds_no_dropout(shape: tuple[int, ...]):
    net = mlp.seeded(
        0, shape=shape, classes=3, hidden=(7, 5), input_dropout=0.2, hidden_dropout=0.5, mean=[0.2], std=[0.4]
    ).eval()
    batch = torch.rand(4, *shape)
    assert torch.equal(net.chain()(batch), net(batch))
    assert not any(isinstance(layer, Dropout) for layer in net.chain())


def test_a_training_step_begins_with_weights_inside_the_limit():
    net = mlp.seeded(0, **DIGITS, hidden=(20, 20), max_norm=0.5)
    with torch.no_grad():
        for value in net.parameters():
            value.mul_(10)
    before = net.logits.weight.clone()
    net.train()(torch.rand(2, 1, 28, 28))
    hidden = [layer for layer in net.hidden if isinstance(layer, nn.Linear)]
    assert len(hidden) == 2
    # float32 rounding of a norm over 784 weights
    assert all(float(layer.weight.detach().norm(dim=1).max()) <= 0.5 * (1 + 1e-5) for layer in hidden)
    assert torch.equal(net.logits.weight, before)


def test_weights_inside_the_limit_and_evaluation_change_nothing():
    net = mlp.seeded(0, **DIGITS, hidden=(20,), max_norm=0.01)
    before = net.hidden[2].weight.clone()
    net.eval()(torch.rand(2, 1, 28, 28))
    assert torch.equal(net.hidden[2].weight, before)
    loose = mlp.seeded(0, **DIGITS, hidden=(20,), max_norm=100.0)
    before = loose.hidden[2].weight.clone()
    loose.train()(torch.rand(2, 1, 28, 28))
    assert torch.equal(loose.hidden[2].weight, before)


def test_dropout_changes_the_outputs_of_training_only():
    net = mlp.seeded(0, **DIGITS, hidden=(50,), hidden_dropout=0.5)
    batch = torch.rand(2, 1, 28, 28)
    assert not torch.equal(net.train()(batch), net(batch))
    assert torch.equal(net.eval()(batch), net(batch))
