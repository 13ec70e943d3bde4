"""Blank a square of `side` pixels, its middle anywhere in the image, so that it may hang over the edge.

    seen[y, x] = 0   where row - side // 2 <= y < row - side // 2 + side, and x likewise

(DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber


@dataclass(frozen=True)
class Cutout:
    """The step: images (B, channels, height, width) to others of their shape; `side` in pixels."""

    side: int

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "cutout")
        rows = self._inside(draws, DrawNumber.CUTOUT_ROW, batch.shape[2])
        columns = self._inside(draws, DrawNumber.CUTOUT_COLUMN, batch.shape[3])
        return batch.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)

    def _inside(self, draws: Draws, number: DrawNumber, length: int) -> Tensor:
        """The places along one axis that the square covers, bool (B, length)."""
        first = draws.integers(number, 0, length - 1)[:, None] - self.side // 2
        places = torch.arange(length, device=first.device)
        return (places >= first) & (places < first + self.side)
