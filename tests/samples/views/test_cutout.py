from __future__ import annotations

import numpy as np
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
    side=st.integers(1, 14),
    view=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([torch.uint8, torch.float32]),
)
def test_a_square_around_the_drawn_pixel_is_blank(seed: int, side: int, view: int, channels: int, dtype: torch.dtype):
    batch, samples = pictures(7, channels, dtype=dtype), torch.arange(100, 107)
    seen = Views(seed, cutout=side)(batch, samples, view)
    draws = Draws(seed, view, samples)
    rows, columns = draws.integers(DrawNumber.CUTOUT_ROW, 0, 5), draws.integers(DrawNumber.CUTOUT_COLUMN, 0, 4)
    for row in range(7):
        expected = batch[row].numpy().copy()
        top, left = int(rows[row]) - side // 2, int(columns[row]) - side // 2
        expected[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
        np.testing.assert_array_equal(seen[row].numpy(), expected, strict=True)


def test_a_square_of_one_pixel_is_that_pixel():
    seen = Views(0, cutout=1)(pictures(200), torch.arange(200), 0)
    assert (seen == 0).flatten(1).sum(1).tolist() == [1] * 200
