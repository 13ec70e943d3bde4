from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kdeploy.errors import DataError
from kdeploy.samples.draws import Draws
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.turn import Turn
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


class Scripted(Draws):
    """The last angle of the table, and the middle of the zoom."""

    def integers(self, draw: int, low: int, high: int) -> torch.Tensor:
        return torch.full_like(self.samples, high)

    def uniform(self, draw: int | torch.Tensor) -> torch.Tensor:
        return torch.full(self.samples.shape, 0.5)


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (180.0, 2)])
def test_a_quarter_and_a_half_turn_move_whole_pixels(degrees: float, turns: int):
    batch = pictures(4, 3, 7, 7)
    seen = Turn(degrees, 0)(batch, Scripted(0, 0, torch.arange(4)))
    np.testing.assert_array_equal(seen.numpy(), np.rot90(batch.numpy(), turns, axes=(2, 3)))


def test_no_turn_and_no_zoom_is_the_image():
    batch = pictures(4, 1, 6, 9)
    assert torch.equal(Turn(0, 0)(batch, Scripted(0, 0, torch.arange(4))), batch)


@settings(max_examples=30, deadline=None)
@given(degrees=st.floats(0, 180), zoom=st.floats(0, 0.5), seed=st.integers(0, 1000))
def test_a_turn_is_what_torch_samples_from_the_same_places(degrees: float, zoom: float, seed: int):
    batch, samples = pictures(5, 2, 8, 6, dtype=torch.float32), torch.arange(5)
    seen = Views(seed, rotate=degrees, zoom=zoom)(batch, samples, 3)
    draws = Draws(seed, 3, samples)
    angle = torch.deg2rad(degrees * (draws.integers(DrawNumber.ROTATE, 0, 1024).double() / 512 - 1))
    factor = 1 + zoom * (2 * draws.uniform(DrawNumber.ZOOM).double() - 1)
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    # affine_grid speaks of (x, y) from -1 to 1 along each axis, so the off-diagonal carries the aspect
    theta = torch.stack(
        [
            torch.stack([cosine, -sine * 8 / 6, torch.zeros(5)], dim=1),
            torch.stack([sine * 6 / 8, cosine, torch.zeros(5)], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta.double(), [5, 2, 8, 6], align_corners=False)
    expected = functional.grid_sample(batch.double(), grid, align_corners=False)
    # places are rounded to 1/256 of a pixel along two axes, of images whose neighbours differ by at most 255
    assert float((seen.double() - expected).abs().max()) <= 2 * 255 / 512 + 1e-3


def test_what_turns_in_from_outside_is_zero():
    seen = Turn(45.0, 0)(torch.full((1, 1, 9, 9), 200, dtype=torch.uint8), Scripted(0, 0, torch.arange(1)))
    assert [int(seen[0, 0, row, column]) for row, column in ((0, 0), (0, 8), (8, 0), (8, 8))] == [0, 0, 0, 0]
    assert int(seen[0, 0, 4, 4]) == 200


def test_an_even_image_keeps_its_values_within_those_it_had():
    seen = Views(0, rotate=180.0, zoom=0.9)(torch.full((30, 1, 8, 8), 77, dtype=torch.uint8), torch.arange(30), 0)
    assert int(seen.max()) == 77


def test_a_zoom_that_would_be_nothing_is_refused():
    with pytest.raises(DataError) as caught:
        Views(0, zoom=1.0)
    assert str(caught.value) == "views.zoom: must be below 1 (1.0)."
