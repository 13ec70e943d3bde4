from __future__ import annotations

import pytest
import torch

from kdeploy.errors import DataError
from kdeploy.samples.views.images import to_pixels
from kdeploy.samples.views.views import Views


@pytest.mark.parametrize("key", ["shift", "crop", "rotate", "flip", "cutout"])
def test_a_step_for_images_refuses_something_else(key: str):
    with pytest.raises(DataError) as caught:
        Views(0, **{key: 1})(torch.zeros(4, 7), torch.arange(4), 0)
    assert str(caught.value) == (
        f"views.{key}: must be given images (B, channels, height, width) (float32 (4, 7)). "
        f"Set views.{key} to 0 for this input."
    )


@pytest.mark.parametrize(
    ("batch", "got"),
    [
        (torch.zeros(4, 7), "float32 (4, 7)"),
        (torch.zeros(4, 3, 6, 5), "float32 (4, 3, 6, 5)"),
        (torch.zeros(4, 2, 6, 5, dtype=torch.uint8), "uint8 (4, 2, 6, 5)"),
    ],
)
def test_colour_refuses_what_is_not_pixels(batch: torch.Tensor, got: str):
    with pytest.raises(DataError) as caught:
        Views(0, color=1)(batch, torch.arange(4), 0)
    assert str(caught.value) == (
        f"views.color: must be given uint8 images (B, 1 or 3, height, width) ({got}). "
        "Set views.color to 0 for this input."
    )


def test_values_become_the_nearest_pixel():
    values = torch.tensor([-3.0, 0.5, 1.5, 7.4, 254.6, 300.0])
    assert to_pixels(values).tolist() == [0, 0, 2, 7, 255, 255]
