from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.transforms.rank import decompose, lower_rank
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 40 products, twice: 80 x 2^-24 = 5e-6 relative, with room for cancellation
TOLERANCE = 5e-5
# float64 sums of as many products
EXACT = 1e-12


def map_of(*layers: nn.Linear) -> torch.Tensor:
    weight = layers[0].weight.double()
    for layer in layers[1:]:
        weight = layer.weight.double() @ weight
    return weight.detach()


def test_a_pair_becomes_a_pair_of_the_rank_and_says_which():
    chain = drawn(nn.Flatten(), nn.Linear(12, 4, bias=False), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    outcome = lower_rank(chain, 3)
    assert outcome.done
    assert outcome.reason == "rank 3 in place of 12 x 4 x 8"
    assert [type(layer) for layer in outcome.layers] == [nn.Flatten, nn.Linear, nn.Linear, nn.ReLU, nn.Linear]
    assert (outcome.layers[1].out_features, outcome.layers[1].bias) == (3, None)
    assert not outcome.layers.training


def test_without_a_pair_the_layer_with_the_most_weights_becomes_two():
    chain = drawn(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))
    outcome = lower_rank(chain, 11)
    assert outcome.done
    assert outcome.reason == "rank 11 in place of 20 x 30"
    shapes = [(layer.in_features, layer.out_features) for layer in outcome.layers if isinstance(layer, nn.Linear)]
    assert shapes == [(4, 20), (20, 11), (11, 30), (30, 2)]


@pytest.mark.parametrize(
    ("layers", "rank", "reason"),
    [
        ([nn.Conv2d(1, 2, 3), nn.ReLU()], 1, "the network has no linear layer"),
        ([nn.Linear(12, 4), nn.Linear(4, 8)], 5, "the bottleneck of 12 x 4 x 8 has no rank above 4"),
        # 20 x 30 / (20 + 30) = 12 exactly: at 12 the factors cost as much
        ([nn.Linear(20, 30)], 12, "two factors of 20 x 30 cost less only up to rank 11"),
        # k above both sides is no rank of the map
        ([nn.Linear(3, 9), nn.Linear(9, 5)], 4, "the bottleneck of 3 x 9 x 5 has no rank above 3"),
    ],
)
def test_what_would_gain_nothing_is_refused(layers: list[nn.Module], rank: int, reason: str):
    chain = drawn(*layers)
    outcome = lower_rank(chain, rank)
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == reason


def test_the_given_chain_is_left_alone():
    chain = drawn(nn.Linear(6, 3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    outcome = lower_rank(chain, 2)
    assert all(torch.equal(chain.state_dict()[name], value) for name, value in before.items())
    assert outcome.layers[3] is chain[3]


def test_the_exported_graph_has_the_two_factors(tmp_path: Path):
    chain = drawn(nn.Linear(12, 4), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert operators(lower_rank(chain, 2).layers, tmp_path / "a.onnx", (12,)) == ["Gemm", "Gemm", "Relu", "Gemm"]
    single = drawn(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 2))
    assert operators(lower_rank(single, 2).layers, tmp_path / "b.onnx", (12,)) == ["Gemm", "Gemm", "Relu", "Gemm"]


sizes = st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 30))


@given(sizes=sizes, biases=st.tuples(st.booleans(), st.booleans()), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_at_full_rank_the_factors_are_the_pair(
    sizes: tuple[int, int, int], biases: tuple[bool, bool], seed: int
) -> None:
    inputs, width, outputs = sizes
    chain = drawn(nn.Linear(inputs, width, bias=biases[0]), nn.Linear(width, outputs, bias=biases[1]), seed=seed)
    batch = torch.rand(7, inputs, generator=torch.Generator().manual_seed(seed))
    assert error(lower_rank(chain, min(sizes)).layers, chain, batch) < TOLERANCE


@given(sizes=sizes, rank=st.integers(1, 20), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_the_largest_error_is_the_next_singular_value_and_the_factors_are_balanced(
    sizes: tuple[int, int, int], rank: int, seed: int
) -> None:
    inputs, width, outputs = sizes
    chain = drawn(nn.Linear(inputs, width), nn.Linear(width, outputs), seed=seed).double()
    rank = min(rank, *sizes)
    layers = lower_rank(chain, rank).layers
    truth = torch.linalg.svdvals(map_of(*chain))
    following = float(truth[rank]) if rank < min(sizes) else 0.0
    off = float(torch.linalg.matrix_norm(map_of(*chain) - map_of(*layers), 2))
    assert abs(off - following) < EXACT * float(truth[0])
    one, other = (torch.linalg.svdvals(layer.weight.detach())[:rank] for layer in layers)
    assert torch.allclose(one, other, rtol=1e-6, atol=EXACT * float(truth[0]) ** 0.5)


def test_a_pair_and_its_fused_layer_have_the_same_values_and_bias():
    pair = drawn(nn.Linear(20, 6), nn.Linear(6, 9))
    single = nn.Sequential(nn.Linear(20, 9)).double()
    with torch.no_grad():
        single[0].weight.copy_(map_of(*pair))
        single[0].bias.copy_(pair[1].weight.double() @ pair[0].bias.double() + pair[1].bias.double())
    of_pair, of_single = decompose(pair), decompose(single)
    assert of_pair is not None
    assert of_single is not None
    assert torch.allclose(of_pair.values, of_single.values[:6], rtol=0, atol=EXACT * float(of_pair.values[0]))
    assert torch.allclose(of_pair.bias, of_single.bias, rtol=EXACT, atol=0)


def test_a_bias_left_at_the_first_factor_would_be_noticed():
    chain = drawn(nn.Linear(20, 6), nn.Linear(6, 9))
    layers = lower_rank(chain, 6).layers
    with torch.no_grad():
        layers[1].bias.copy_(chain[1].bias)
    assert error(layers, chain, torch.rand(7, 20)) > 100 * TOLERANCE
