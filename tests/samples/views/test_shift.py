from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.cut import _cut_array, _cut_tensor
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """np.roll, and zero where pixels came round the edge."""
    height, width = image.shape[1:]
    rolled = np.roll(image, (down, right), axis=(1, 2))
    kept = np.zeros((height, width), bool)
    kept[max(down, 0) : max(height + down, 0), max(right, 0) : max(width + right, 0)] = True
    return np.where(kept, rolled, 0)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    shift=st.integers(1, 9),
    view=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([torch.uint8, torch.float32, torch.float16]),
)
def test_a_shift_moves_each_image_by_its_drawn_amounts(
    seed: int, shift: int, view: int, channels: int, dtype: torch.dtype
):
    batch = pictures(7, channels, dtype=dtype)
    samples = torch.arange(100, 107)
    seen = Views(seed, shift)(batch, samples, view)
    draws = Draws(seed, view, samples)
    down = draws.integers(DrawNumber.SHIFT_DOWN, -shift, shift)
    right = draws.integers(DrawNumber.SHIFT_RIGHT, -shift, shift)
    assert (seen.dtype, seen.shape) == (batch.dtype, batch.shape)
    for row in range(7):
        expected = moved(batch[row].numpy(), int(down[row]), int(right[row]))
        np.testing.assert_array_equal(seen[row].numpy(), expected, strict=True)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), most=st.integers(1, 4), channels=st.sampled_from([1, 3]))
def test_numpy_and_torch_cut_the_same_windows(data: st.DataObject, most: int, channels: int):
    batch = pictures(5, channels, dtype=torch.uint8)
    corner = st.lists(st.integers(0, 2 * most), min_size=5, max_size=5)
    top, left = (torch.tensor(data.draw(corner)) for _ in range(2))
    padded = torch.nn.functional.pad(batch, (most,) * 4)
    found, expected = (cut(padded, top, left, batch.shape[2:]) for cut in (_cut_array, _cut_tensor))
    assert torch.equal(found, expected)
    assert found.is_contiguous()


def test_every_amount_of_the_range_occurs_in_both_directions():
    batch = torch.zeros(2_000, 1, 9, 9)
    batch[:, :, 4, 4] = 1
    seen = Views(0, 2)(batch, torch.arange(2_000), 0)
    places = {(int(row) - 4, int(column) - 4) for _, _, row, column in seen.nonzero()}
    assert places == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_shift_never_changes():
    batch = torch.zeros(3, 1, 7, 7)
    batch[:, :, 3, 3] = 1
    seen = Views(seed=0, shift=3)(batch, torch.tensor([0, 1, 59_999]), 5)
    assert [(int(row) - 3, int(column) - 3) for _, _, row, column in seen.nonzero()] == [(3, -3), (3, -2), (-1, -2)]
