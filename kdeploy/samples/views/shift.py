"""Move each image by integers drawn from [-most, most], down and to the right, and fill with zero.

    seen[y, x] = image[y - down, x - right]

`crop` does the same to the mirrored image.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.cut import cut
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber


@dataclass(frozen=True)
class Shift:
    """The step: images (B, channels, height, width) to others of their shape; `most` in pixels."""

    most: int

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "shift")
        down = draws.integers(DrawNumber.SHIFT_DOWN, -self.most, self.most)
        right = draws.integers(DrawNumber.SHIFT_RIGHT, -self.most, self.most)
        return cut(pad(batch, (self.most,) * 4), self.most - down, self.most - right, batch.shape[2:])
