from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    most=st.integers(1, 14),
    view=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([torch.uint8, torch.float32]),
)
def test_a_crop_is_a_window_of_the_image_that_numpy_pads_by_reflection(
    seed: int, most: int, view: int, channels: int, dtype: torch.dtype
):
    batch, samples = pictures(7, channels, dtype=dtype), torch.arange(100, 107)
    seen = Views(seed, crop=most)(batch, samples, view)
    draws = Draws(seed, view, samples)
    down = draws.integers(DrawNumber.CROP_DOWN, -most, most) + most
    right = draws.integers(DrawNumber.CROP_RIGHT, -most, most) + most
    assert (seen.dtype, seen.shape) == (batch.dtype, batch.shape)
    for row in range(7):
        padded = np.pad(batch[row].numpy(), ((0, 0), (most, most), (most, most)), mode="reflect")
        expected = padded[:, int(down[row]) : int(down[row]) + 6, int(right[row]) : int(right[row]) + 5]
        np.testing.assert_array_equal(seen[row].numpy(), expected, strict=True)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (2, 1)])
def test_an_image_of_one_pixel_along_an_axis_is_its_own_mirror(height: int, width: int):
    batch = pictures(3, 1, height, width)
    seen = Views(0, crop=4)(batch, torch.arange(3), 0)
    for row in range(3):
        assert set(seen[row].flatten().tolist()) <= set(batch[row].flatten().tolist())
