from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.samples.mixing import mix
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


def normals(seed: int, view: int, sample: int, count: int) -> np.ndarray:
    """In Python's unbounded integers, four values from each hash, the lowest bits first; torch's quantiles."""
    state = mix(mix(mix(seed) + view) + sample)
    parts = [mix(state + 2**32 + number // 4) >> 16 * (number % 4) & 0xFFFF for number in range(count)]
    middles = (torch.tensor(parts, dtype=torch.float64) + 0.5) / 2**16
    quantiles: np.ndarray = torch.special.ndtri(middles).numpy()
    return quantiles


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63), sigma=st.floats(0.001, 1), view=st.integers(0, 1000))
def test_pixels_get_noise_in_parts_of_255(seed: int, sigma: float, view: int):
    batch, samples = pictures(4, 3), torch.tensor([7, 0, 59_999, 7])
    seen = Views(seed, noise=sigma)(batch, samples, view)
    for row in range(4):
        noise = normals(seed, view, int(samples[row]), 90).reshape(3, 6, 5)
        expected = np.clip(batch[row].numpy() + 255 * sigma * noise, 0, 255)
        # half a grey level of rounding, and what float32 does to numbers below 1,360
        np.testing.assert_allclose(seen[row].numpy(), expected, rtol=0, atol=0.5 + 1e-3)


@settings(max_examples=25, deadline=None)
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3), sigma=st.floats(0.001, 1))
def test_an_array_of_any_shape_gets_noise_in_its_own_units(shape: list[int], sigma: float):
    batch = torch.randn(4, *shape)
    seen = Views(5, noise=sigma)(batch, torch.arange(4), 2)
    assert (seen.dtype, seen.shape) == (torch.float32, batch.shape)
    for row in range(4):
        noise = normals(5, 2, row, batch[row].numel()).reshape(shape)
        # the last bit of a float32 below 8 is worth 4.8e-7
        np.testing.assert_allclose(seen[row].numpy(), batch[row].numpy() + sigma * noise, rtol=0, atol=2e-6)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_noise_on_an_array_may_have_its_batch_cut_anywhere(columns: int):
    batch, samples, views = torch.randn(19, columns), torch.arange(19), Views(5, noise=0.3)
    alone = torch.cat([views(batch[row : row + 1], samples[row : row + 1], 2) for row in range(19)])
    assert torch.equal(alone, views(batch, samples, 2))


def test_the_noise_is_normal():
    found = Views(0, noise=1)(torch.zeros(2_000, 50), torch.arange(2_000), 0).double()
    # 4 standard deviations of the mean of 100,000 values, of their squares and of their fourth powers
    assert float(found.mean()) == pytest.approx(0, abs=4 / 100_000**0.5)
    assert float(found.square().mean()) == pytest.approx(1, abs=4 * (2 / 100_000) ** 0.5)
    assert float(found.pow(4).mean()) == pytest.approx(3, abs=4 * (96 / 100_000) ** 0.5)
    neighbours = (found[:, 1:] * found[:, :-1]).mean()
    assert float(neighbours) == pytest.approx(0, abs=4 / 98_000**0.5)
