from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.transforms.fold_average_pool import LIMIT, fold_average_pool
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 4 x 8 x 9 products in another order
TOLERANCE = 5e-5


def test_average_pooling_goes_into_the_linear_layer_behind_it():
    chain = drawn(nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    outcome = fold_average_pool(chain, (3, 4, 4))
    assert outcome.done
    assert outcome.reason == "into the linear layer behind it, 180 multiply-adds more"
    assert [type(layer) for layer in outcome.layers] == [nn.ReLU, nn.Flatten, nn.Linear]
    assert outcome.layers[2].in_features == 48


OVERLAP = "the windows of the average pooling overlap, or do not fill the image"
NONE = "no average pooling stands before a linear layer"


@pytest.mark.parametrize(
    ("pool", "columns", "reason"),
    [
        (nn.AvgPool2d(2, stride=1), 27, OVERLAP),
        (nn.AvgPool2d(2, padding=1), 27, OVERLAP),
        (nn.AvgPool2d(3), 3, OVERLAP),
        (nn.AvgPool2d(2, divisor_override=3), 12, OVERLAP),
        (nn.AdaptiveAvgPool2d(3), 27, OVERLAP),
        (nn.MaxPool2d(2), 12, NONE),
    ],
)
def test_what_cannot_be_folded_is_left_as_it_is(pool: nn.Module, columns: int, reason: str):
    chain = drawn(pool, nn.Flatten(), nn.Linear(columns, 5))
    outcome = fold_average_pool(chain, (3, 4, 4))
    assert not outcome.done
    assert outcome.layers is chain
    assert outcome.reason == reason


def test_where_it_costs_more_than_it_saves_it_is_refused():
    chain = drawn(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    outcome = fold_average_pool(chain, (128, 7, 7))
    assert (outcome.done, outcome.reason) == (False, "it would add 61440 multiply-adds, more than the 4096 that pay")
    small = drawn(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    assert not fold_average_pool(small, (3, 4, 4), limit=179).done
    assert fold_average_pool(small, (3, 4, 4), limit=180).done
    assert LIMIT == 4096


def test_the_given_chain_is_left_alone():
    chain = drawn(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    fold_average_pool(chain, (3, 4, 4))
    assert all(torch.equal(chain.state_dict()[name], value) for name, value in before.items())


def test_the_exported_graph_has_no_pooling(tmp_path: Path):
    chain = drawn(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    found = operators(fold_average_pool(chain, (3, 4, 4)).layers, tmp_path / "a.onnx", (3, 4, 4))
    # some versions of torch write Flatten as Reshape
    assert [name.replace("Reshape", "Flatten") for name in found] == ["Flatten", "Gemm"]


@given(
    channels=st.integers(1, 4),
    pooled=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    adaptive=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_the_chain_gives_what_it_gave(
    channels: int, pooled: tuple[int, int], window: tuple[int, int], adaptive: bool, bias: bool, seed: int
):
    shape = (channels, pooled[0] * window[0], pooled[1] * window[1])
    pool = nn.AdaptiveAvgPool2d(pooled) if adaptive else nn.AvgPool2d(window)
    chain = drawn(pool, nn.Flatten(), nn.Linear(channels * pooled[0] * pooled[1], 4, bias=bias), seed=seed)
    outcome = fold_average_pool(chain, shape)
    assert outcome.done
    batch = torch.rand(3, *shape, generator=torch.Generator().manual_seed(seed))
    assert error(outcome.layers, chain, batch) < TOLERANCE


def test_a_sum_in_place_of_the_mean_would_be_noticed():
    chain = drawn(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    folded = fold_average_pool(chain, (3, 4, 4)).layers
    with torch.no_grad():
        folded[1].weight.mul_(4)
    assert error(folded, chain, torch.rand(3, 3, 4, 4)) > 1000 * TOLERANCE
