"""Cut a window of the image's own size out of the image mirrored at its edges, at most `most` pixels off.

    seen[y, x] = image[mirror(y + down), mirror(x + right)],   mirror(i) = (n - 1) - |(i mod 2(n - 1)) - (n - 1)|

The pixel on the edge is not repeated (NumPy's `reflect`). With zeros outside it would be `shift`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.cut import cut
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber


@dataclass(frozen=True)
class Crop:
    """The step: images (B, channels, height, width) to others of their shape; `most` in pixels."""

    most: int

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "crop")
        down = draws.integers(DrawNumber.CROP_DOWN, -self.most, self.most)
        right = draws.integers(DrawNumber.CROP_RIGHT, -self.most, self.most)
        rows, columns = (_mirrored(length, self.most).to(batch.device) for length in batch.shape[2:])
        padded = batch.index_select(2, rows).index_select(3, columns)  # (B, C, H + 2 most, W + 2 most)
        return cut(padded, self.most + down, self.most + right, batch.shape[2:])


def _mirrored(length: int, most: int) -> Tensor:
    """Which of `length` places each place of the mirrored line reads, from -most to length + most - 1."""
    places = torch.arange(-most, length + most)
    return length - 1 - (places % max(2 * (length - 1), 1) - (length - 1)).abs()
