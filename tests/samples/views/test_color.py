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


def recoloured(image: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """One after the other, in float64: saturation, contrast, brightness."""
    pixels = image.astype(np.float64)
    grey = pixels if len(pixels) == 1 else np.einsum("c,chw->hw", [0.299, 0.587, 0.114], pixels)[None]
    mean = grey.mean()
    saturated = grey + saturation * (pixels - grey)
    contrasted = mean + contrast * (saturated - mean)
    return np.clip(brightness * contrasted, 0, 255)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    strength=st.floats(0.01, 1),
    view=st.integers(0, 1000),
    channels=st.sampled_from([1, 3]),
)
def test_the_three_factors_apply_one_after_the_other(seed: int, strength: float, view: int, channels: int):
    batch, samples = pictures(7, channels), torch.arange(100, 107)
    seen = Views(seed, color=strength)(batch, samples, view)
    draws = Draws(seed, view, samples)
    numbers = (DrawNumber.BRIGHTNESS, DrawNumber.CONTRAST, DrawNumber.SATURATION)
    factors = np.array([1 - strength + 2 * strength * draws.uniform(number).numpy() for number in numbers])
    assert ((factors >= 1 - strength - 1e-6) & (factors <= 1 + strength + 1e-6)).all()
    for row in range(7):
        expected = recoloured(batch[row].numpy(), *factors[:, row])
        # half a grey level of rounding, and what float32 does to numbers below 2,040
        np.testing.assert_allclose(seen[row].numpy(), expected, rtol=0, atol=0.5 + 1e-3)


def test_grey_stays_grey():
    batch = pictures(9).expand(9, 3, 6, 5)
    seen = Views(0, color=1)(batch, torch.arange(9), 0).int()
    assert int((seen.amax(1) - seen.amin(1)).max()) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_no_images_are_no_trouble(channels: int):
    assert Views(0, color=1)(pictures(0, channels), torch.arange(0), 0).shape == (0, channels, 6, 5)
