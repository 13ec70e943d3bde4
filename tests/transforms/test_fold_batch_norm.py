from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.transforms.fold_batch_norm import fold_batch_norm
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 75 products in another order
TOLERANCE = 2e-5


def test_every_batch_norm_behind_a_convolution_is_folded():
    chain = drawn(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))
    outcome = fold_batch_norm(chain)
    assert outcome.done
    assert outcome.reason == "2 folded into the convolutions before them"
    assert [type(layer) for layer in outcome.layers] == [nn.Conv2d, nn.ReLU, nn.Conv2d]
    assert not outcome.layers.training


def test_a_batch_norm_that_stands_elsewhere_stays():
    chain = drawn(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2))
    outcome = fold_batch_norm(chain)
    assert (outcome.done, outcome.applies) == (False, True)
    assert outcome.layers is chain
    assert outcome.reason == "no batch norm stands behind a convolution or beside a linear layer"
    assert not fold_batch_norm(drawn(nn.Conv2d(1, 2, 3))).applies


def test_a_net_in_training_mode_is_refused():
    chain = drawn(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    chain[1].train()
    outcome = fold_batch_norm(chain)
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == "the network is in training mode"


def test_the_given_chain_is_left_alone():
    chain = drawn(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    fold_batch_norm(chain)
    assert all(torch.equal(chain.state_dict()[name], value) for name, value in before.items())


def test_the_exported_graph_has_convolutions_alone(tmp_path: Path):
    chain = drawn(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))
    folded = fold_batch_norm(chain).layers
    assert operators(folded, tmp_path / "folded.onnx", (1, 8, 8)) == ["Conv", "Relu", "Conv"]


@given(
    channels=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    kernel=st.sampled_from([1, 3, 5]),
    padding=st.integers(0, 2),
    bias=st.booleans(),
    affine=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_the_folded_convolution_is_the_pair(
    channels: tuple[int, int], kernel: int, padding: int, bias: bool, affine: bool, seed: int
):
    before, after = channels
    convolution = nn.Conv2d(before, after, kernel, padding=padding, bias=bias)
    chain = drawn(convolution, nn.BatchNorm2d(after, affine=affine), seed=seed)
    batch = torch.rand(3, before, 7, 6, generator=torch.Generator().manual_seed(seed))
    outcome = fold_batch_norm(chain)
    assert outcome.done
    assert error(outcome.layers, chain, batch) < TOLERANCE


def test_a_batch_norm_that_keeps_no_statistics_is_refused():
    chain = drawn(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))
    outcome = fold_batch_norm(chain)
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == "a batch norm keeps no statistics and takes those of the batch"


def test_a_batch_norm_behind_a_linear_layer_goes_into_it_and_else_into_the_next():
    chain = drawn(nn.BatchNorm1d(6), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 2))
    outcome = fold_batch_norm(chain)
    assert outcome.reason == "1 folded into the linear layers before them, 2 folded into the linear layers behind them"
    assert [type(layer) for layer in outcome.layers] == [nn.Linear, nn.ReLU, nn.Linear]
    assert error(outcome.layers, chain, torch.rand(7, 6)) < TOLERANCE


def test_a_batch_norm_of_images_before_a_linear_layer_over_rows_stays():
    chain = drawn(nn.BatchNorm2d(2), nn.Linear(6, 5))
    assert not fold_batch_norm(chain).done


def test_the_exported_graph_of_dense_layers_has_no_batch_norm(tmp_path: Path):
    chain = drawn(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 2))
    folded = fold_batch_norm(chain).layers
    assert operators(folded, tmp_path / "folded.onnx", (6,)) == ["Gemm", "Relu", "Gemm"]


@given(
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    outputs=st.integers(1, 6),
    bias=st.booleans(),
    affine=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_the_linear_layer_behind_takes_the_batch_norm_in(
    channels: int, size: tuple[int, int], outputs: int, bias: bool, affine: bool, seed: int
):
    layer = nn.Linear(channels * size[0] * size[1], outputs, bias=bias)
    chain = drawn(nn.BatchNorm2d(channels, affine=affine), nn.Flatten(), layer, seed=seed)
    batch = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(seed))
    outcome = fold_batch_norm(chain)
    assert [type(one) for one in outcome.layers] == [nn.Flatten, nn.Linear]
    assert error(outcome.layers, chain, batch) < TOLERANCE


@given(sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)), bias=st.booleans(), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_the_linear_layer_before_takes_the_batch_norm_in(sizes: tuple[int, int], bias: bool, seed: int):
    chain = drawn(nn.Linear(*sizes, bias=bias), nn.BatchNorm1d(sizes[1]), seed=seed)
    batch = torch.rand(3, sizes[0], generator=torch.Generator().manual_seed(seed))
    outcome = fold_batch_norm(chain)
    assert [type(one) for one in outcome.layers] == [nn.Linear]
    assert error(outcome.layers, chain, batch) < TOLERANCE


def test_a_batch_norm_left_out_would_be_noticed():
    chain = drawn(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert error(nn.Sequential(chain[0]), chain, torch.rand(3, 1, 7, 6)) > 1000 * TOLERANCE
