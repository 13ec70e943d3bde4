"""Mirror each image left to right with probability 1/2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber


@dataclass(frozen=True)
class Flip:
    """The step: images (B, channels, height, width) to others of their shape."""

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "flip")
        flipped = draws.integers(DrawNumber.FLIP, 0, 1) == 1
        return torch.where(flipped.view(-1, 1, 1, 1), batch.flip(3), batch)
