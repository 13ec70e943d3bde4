from __future__ import annotations

import torch
from torch import nn

from kdeploy.models.external_student import LinearBottleneck, put_bottleneck
from kdeploy.transforms.fuse_bottleneck import fuse_bottleneck


def _net() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 3))
    put_bottleneck(net, "0", 4, "mine")
    return net.eval()


def test_the_pair_becomes_one_layer_in_a_copy():
    net, batch = _net(), torch.rand(5, 20)
    outcome, widths = fuse_bottleneck(net)
    assert (outcome.done, outcome.reason, widths) == (True, "one layer in place of 20 x 4 x 12", (20, 4, 12))
    assert isinstance(net[0], LinearBottleneck)
    assert isinstance(outcome.module[0], nn.Linear)
    assert torch.allclose(outcome.module(batch), net(batch), atol=1e-6)


def test_a_network_without_a_bottleneck_has_nothing_to_fuse():
    net = nn.Sequential(nn.Linear(20, 12), nn.Linear(12, 3))
    outcome, widths = fuse_bottleneck(net)
    assert (outcome.module is net, outcome.done, outcome.applies, widths) == (True, False, False, None)
    assert outcome.reason == "the student has no linear bottleneck"


def test_a_pair_that_would_grow_too_large_stays_two():
    outcome, widths = fuse_bottleneck(_net(), limit_bytes=959)
    assert (outcome.done, widths) == (False, (20, 4, 12))
    assert outcome.reason == "the fused weights would take 960 bytes, more than 959"
