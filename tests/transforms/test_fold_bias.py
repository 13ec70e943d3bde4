from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.transforms.fold_bias import fold_bias
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 40 products, twice
TOLERANCE = 5e-5


def test_the_bias_between_two_linear_layers_moves_to_the_second():
    chain = drawn(nn.Flatten(), nn.Linear(12, 3), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    outcome = fold_bias(chain)
    assert outcome.done
    assert outcome.reason == "1 folded into the linear layers behind them"
    assert [getattr(layer, "bias", 0) is None for layer in outcome.layers] == [False, True, False, False, False]
    assert torch.equal(outcome.layers[1].weight, chain[1].weight)
    assert not outcome.layers.training


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)],
        [nn.Linear(4, 3, bias=False), nn.Linear(3, 2)],
        [nn.Conv2d(1, 2, 3)],
    ],
)
def test_where_no_bias_is_between_the_chain_is_left_as_it_is(layers: list[nn.Module]):
    chain = drawn(*layers)
    outcome = fold_bias(chain)
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == "no linear layer with a bias stands before another one"


def test_the_given_chain_is_left_alone():
    chain = drawn(nn.Linear(4, 3), nn.Linear(3, 2))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    fold_bias(chain)
    assert all(torch.equal(chain.state_dict()[name], value) for name, value in before.items())


def test_the_exported_graph_has_one_bias(tmp_path: Path):
    chain = drawn(nn.Linear(12, 3), nn.Linear(3, 8))
    assert operators(fold_bias(chain).layers, tmp_path / "a.onnx", (12,)) == ["Gemm", "Gemm"]


@given(
    widths=st.lists(st.integers(1, 40), min_size=3, max_size=5),
    biases=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_the_chain_gives_what_it_gave(widths: list[int], biases: list[bool], seed: int):
    sizes = list(zip(widths, widths[1:], biases, strict=False))
    chain = drawn(*(nn.Linear(before, after, bias=bias) for before, after, bias in sizes), seed=seed)
    outcome = fold_bias(chain)
    assert outcome.done == any(biases[: len(sizes) - 1])
    assert all(layer.bias is None for layer in outcome.layers[:-1])
    batch = torch.rand(7, widths[0], generator=torch.Generator().manual_seed(seed))
    assert error(outcome.layers, chain, batch) < TOLERANCE


def test_a_bias_left_out_would_be_noticed():
    chain = drawn(nn.Linear(12, 3), nn.Linear(3, 8))
    folded = fold_bias(chain).layers
    folded[1] = chain[1]
    assert error(folded, chain, torch.rand(7, 12)) > 100 * TOLERANCE
