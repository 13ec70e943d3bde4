from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models.external_student import ExternalStudent, LinearBottleneck, put_bottleneck


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 3))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 11), st.booleans())
def test_a_bottleneck_begins_as_the_nearest_map_of_its_rank(inputs: int, outputs: int, rank: int, bias: bool):
    layer = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    rank = min(rank, inputs, outputs)
    pair = LinearBottleneck(layer, rank)
    product = (pair.second.weight @ pair.first.weight).detach()
    values = torch.linalg.svdvals(layer.weight.double())
    # Eckart and Young: what is left is as large as the values that were cut off
    assert torch.linalg.norm((product - layer.weight.detach()).double()) == pytest.approx(
        float(torch.linalg.norm(values[rank:])), abs=1e-5
    )
    batch = torch.rand(3, inputs)
    assert torch.allclose(pair(batch), nn.functional.linear(batch, product, layer.bias), atol=1e-5)


def test_the_layer_of_a_name_is_replaced_and_the_others_are_left():
    net = _net()
    last = net[3]
    put_bottleneck(net, "1", 4, "mine")
    assert isinstance(net[1], LinearBottleneck)
    assert (net[1].first.weight.shape, net[1].second.weight.shape) == ((4, 20), (12, 4))
    assert net[3] is last


@pytest.mark.parametrize(
    ("layer", "rank", "message"),
    [
        ("2", 4, "mine: student.bottleneck.layer must name a linear layer of it (2). Its linear layers: 1, 3."),
        (
            "1",
            12,
            "mine: student.bottleneck.rank must be below 12 for layer '1' of 20 x 12 (12). Lower it, or leave the "
            "bottleneck out.",
        ),
    ],
)
def test_a_bottleneck_that_cannot_be_is_an_error(layer: str, rank: int, message: str):
    with pytest.raises(ModelError) as caught:
        put_bottleneck(_net(), layer, rank, "mine")
    assert str(caught.value) == message


def test_a_layer_that_is_nearly_named_is_suggested():
    with pytest.raises(ModelError) as caught:
        put_bottleneck(nn.ModuleDict({"head": _net()}), "heat.1", 4, "mine")
    assert caught.value.advice == "Did you mean 'head.1'?"


def test_the_network_reads_the_normalised_batch():
    net, batch = _net(), torch.rand(2, 5, 4)
    student = ExternalStudent(net, mean=[0.5] * 5, std=[0.25] * 5, axes=3)
    assert torch.equal(student(batch), net((batch - 0.5) / 0.25))
