from __future__ import annotations

import numpy as np
import pytest
import torch

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_drawn_images_are_mirrored_left_to_right(dtype: torch.dtype):
    batch, samples = pictures(40, 3, dtype=dtype), torch.arange(40)
    seen = Views(5, flip=True)(batch, samples, 2)
    drawn = Draws(5, 2, samples).integers(DrawNumber.FLIP, 0, 1)
    for row in range(40):
        image = batch[row].numpy()
        np.testing.assert_array_equal(seen[row].numpy(), image[:, :, ::-1] if drawn[row] else image, strict=True)


def test_half_of_the_images_are_mirrored():
    batch = torch.tensor([1, 0], dtype=torch.uint8).expand(10_000, 1, 1, 2)
    mirrored = int(Views(0, flip=True)(batch, torch.arange(10_000), 0)[:, 0, 0, 1].sum())
    assert abs(mirrored - 5_000) < 4 * 50  # 4 standard deviations; the seed is fixed
