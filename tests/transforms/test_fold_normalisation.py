from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.models.normalise import Normalise
from kdeploy.transforms.fold_normalisation import fold_normalisation
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 100 products in another order, of inputs that the mean no longer centres
TOLERANCE = 5e-5
MEANS, STDS = (0.4, 0.2, 0.7), (0.3, 0.5, 0.2)


def normalise(channels: int = 1, *, axes: int = 4, centred: bool = False) -> Normalise:
    return Normalise([0.0] * channels if centred else MEANS[:channels], STDS[:channels], axes=axes)


def test_a_normalisation_goes_into_a_dense_layer_behind_flatten():
    outcome = fold_normalisation(drawn(normalise(), nn.Flatten(), nn.Linear(4, 3), nn.ReLU()))
    assert outcome.done
    assert outcome.reason == "into the first layer"
    assert [type(layer) for layer in outcome.layers] == [nn.Flatten, nn.Linear, nn.ReLU]


def test_a_normalisation_goes_into_a_convolution_without_padding():
    outcome = fold_normalisation(drawn(normalise(), nn.Conv2d(1, 2, 3), nn.ReLU()))
    assert outcome.done
    assert outcome.reason == "into the first convolution"
    assert [type(layer) for layer in outcome.layers] == [nn.Conv2d, nn.ReLU]


def test_behind_zero_padding_only_the_scale_goes_and_the_mean_stays():
    outcome = fold_normalisation(drawn(normalise(), nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()))
    assert outcome.done
    assert outcome.reason == (
        "the scale, into the first convolution; the mean stays, since zero padding would need a corrected border"
    )
    assert [type(layer) for layer in outcome.layers] == [Normalise, nn.Conv2d, nn.ReLU]
    assert not outcome.layers[0].scales


def test_behind_zero_padding_a_mean_of_zero_goes_too():
    chain = drawn(normalise(centred=True), nn.Conv2d(1, 2, 3, padding=1))
    outcome = fold_normalisation(chain)
    assert [type(layer) for layer in outcome.layers] == [nn.Conv2d]
    assert error(outcome.layers, chain, torch.rand(2, 1, 6, 6)) < TOLERANCE


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([nn.Linear(3, 2)], "the network does not begin with a normalisation"),
        ([], "the network does not begin with a normalisation"),
        ([normalise()], "the first layer is neither linear nor a convolution"),
        ([normalise(), nn.ReLU(), nn.Conv2d(1, 2, 3)], "the first layer is neither linear nor a convolution"),
        ([normalise(), nn.Flatten()], "the first layer is neither linear nor a convolution"),
        ([normalise(2), nn.Conv2d(2, 2, 3, groups=2)], "the first convolution is grouped"),
    ],
)
def test_what_cannot_be_folded_is_left_as_it_is(layers: list[nn.Module], reason: str):
    chain = nn.Sequential(*layers)
    outcome = fold_normalisation(chain)
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == reason


def test_the_given_chain_is_left_alone():
    chain = drawn(normalise(), nn.Conv2d(1, 2, 3))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    fold_normalisation(chain)
    assert all(torch.equal(chain.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (nn.Conv2d(1, 2, 3), ["Sub", "Div", "Conv"], ["Conv"]),
        (nn.Conv2d(1, 2, 3, padding=1), ["Sub", "Div", "Conv"], ["Sub", "Conv"]),
        (nn.Linear(8, 3), ["Sub", "Div", "Gemm"], ["Gemm"]),
    ],
)
def test_the_exported_graph_loses_the_nodes_of_the_normalisation(
    tmp_path: Path, layer: nn.Module, before: list[str], after: list[str]
):
    dense = isinstance(layer, nn.Linear)
    shape = (8,) if dense else (1, 8, 8)
    chain = drawn(Normalise((0.5,) * 8, (0.25,) * 8, axes=2) if dense else normalise(), layer)
    assert operators(chain, tmp_path / "before.onnx", shape) == before
    assert operators(fold_normalisation(chain).layers, tmp_path / "after.onnx", shape) == after


@given(
    channels=st.integers(1, 3),
    kernel=st.sampled_from([1, 3, 5]),
    padding=st.integers(0, 2),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_the_folded_convolution_is_the_pair_up_to_the_border(
    channels: int, kernel: int, padding: int, bias: bool, seed: int
):
    chain = drawn(normalise(channels), nn.Conv2d(channels, 3, kernel, padding=padding, bias=bias), seed=seed)
    batch = torch.rand(3, channels, 7, 6, generator=torch.Generator().manual_seed(seed))
    assert error(fold_normalisation(chain).layers, chain, batch) < TOLERANCE


@given(
    channels=st.integers(1, 3),
    size=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    outputs=st.integers(1, 5),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_the_folded_dense_layer_is_the_pair(channels: int, size: tuple[int, int], outputs: int, bias: bool, seed: int):
    chain = drawn(
        normalise(channels), nn.Flatten(), nn.Linear(channels * size[0] * size[1], outputs, bias=bias), seed=seed
    )
    batch = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(seed))
    assert error(fold_normalisation(chain).layers, chain, batch) < TOLERANCE


def test_a_mean_folded_behind_zero_padding_would_be_wrong_at_the_border_alone():
    chain = drawn(normalise(), nn.Conv2d(1, 2, 3, padding=1))
    bare = drawn(normalise(), nn.Conv2d(1, 2, 3))
    naive = fold_normalisation(bare).layers  # the same weights, folded as if there were no padding
    naive[0].padding = (1, 1)
    batch = torch.rand(2, 1, 8, 8)
    with torch.inference_mode():
        difference = (naive(batch) - chain(batch)).abs()
        scale = float(chain(batch).abs().max())
    assert difference[:, :, 1:-1, 1:-1].max() < TOLERANCE * scale
    assert difference.max() > 1000 * TOLERANCE * scale
    assert error(fold_normalisation(chain).layers, chain, batch) < TOLERANCE


def test_a_fold_with_the_wrong_sign_would_be_noticed():
    chain = drawn(normalise(), nn.Conv2d(1, 2, 3))
    folded = fold_normalisation(chain).layers
    with torch.no_grad():
        # bias = b - shift becomes b + shift
        folded[0].bias.copy_(2 * chain[1].bias - folded[0].bias)
    assert error(folded, chain, torch.rand(2, 1, 8, 8)) > 1000 * TOLERANCE
