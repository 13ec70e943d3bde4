from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kdeploy.models.dropout import Dropout


@given(share=st.floats(0, 0.99), seed=st.integers(0, 2**31), width=st.integers(1, 99))
def test_a_unit_is_kept_and_scaled_up_or_it_is_zero(share: float, seed: int, width: int):
    torch.manual_seed(seed)
    share = round(share * 65536) / 65536
    found = Dropout(share).train()(torch.full((3, width), 2.0))
    assert found.shape == (3, width)
    kept = found[found != 0]
    assert torch.allclose(kept, torch.tensor(2 / (1 - share)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_units_left_out_and_the_mean_are_what_they_say(share: float):
    torch.manual_seed(0)
    found = Dropout(share).train()(torch.ones(1000, 1000))
    # a million draws: four standard deviations of the share, and of the mean of the scaled units
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / 1e6) ** 0.5)
    assert float(found.mean()) == pytest.approx(1, abs=4 * (share / (1 - share) / 1e6) ** 0.5)


def test_units_are_left_out_independently_of_their_neighbours_in_a_word():
    torch.manual_seed(1)
    kept = (Dropout(0.5).train()(torch.ones(250_000, 4)) > 0).double()
    correlations = torch.corrcoef(kept.T) - torch.eye(4)
    assert float(correlations.abs().max()) < 4 / 250_000**0.5


def test_the_same_seed_leaves_out_the_same_units():
    masks = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5).train()(torch.ones(100)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_evaluation_and_a_share_of_zero_give_the_units_back():
    units = torch.randn(2, 3)
    assert Dropout(0.5).eval()(units) is units
    assert Dropout(0.0).train()(units) is units


def test_the_gradient_is_the_mask_times_the_scale():
    torch.manual_seed(2)
    units = torch.ones(50, requires_grad=True)
    found = Dropout(0.25).train()(units)
    found.sum().backward()
    assert units.grad is not None
    assert torch.equal(units.grad, found.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_stays(dtype: torch.dtype):
    assert Dropout(0.5).train()(torch.ones(5, dtype=dtype)).dtype == dtype


def test_it_shows_its_share_in_a_printed_net():
    assert str(nn.Sequential(Dropout(0.25))) == "Sequential(\n  (0): Dropout(share=0.25)\n)"
