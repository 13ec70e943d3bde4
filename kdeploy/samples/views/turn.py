"""Turn each image around its centre and zoom it, with zeros behind it and bilinear interpolation.

    seen[p] = image[c + R (p - c) / z],   R a rotation by an angle within +- degrees,   z a factor within 1 +- zoom

Angles come from a table of 1025, places are rounded to 1/256 of a pixel, and pixels are mixed with whole numbers: no
vector's cosine and no device's fused arithmetic has a say in what a view looks like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber

_ANGLES = 1024  # steps from one end to the other
_BITS = 8
_PARTS = 1 << _BITS  # of a pixel


@dataclass(frozen=True)
class Turn:
    """The step: images (B, channels, height, width) to others of their shape."""

    degrees: float
    zoom: float

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "rotate" if self.degrees else "zoom")
        height, width = batch.shape[2:]
        rows, columns = self._places(height, width, draws)
        # two lines of zeros on each side: whatever is further out is the same
        framed = functional.pad(batch, (2, 2, 2, 2)).flatten(2)  # (B, C, (height + 4) (width + 4))
        top = (rows >> _BITS).clamp(-2, height) + 2
        left = (columns >> _BITS).clamp(-2, width) + 2
        down, right = ((place & (_PARTS - 1)).flatten(1)[:, None] for place in (rows, columns))
        first = (top * (width + 4) + left).flatten(1)[:, None].long().expand(-1, batch.shape[1], -1)

        def line(offset: int) -> Tensor:
            """Two neighbouring pixels of a line, mixed; whole numbers for pixels."""
            pair = (framed.gather(2, first + offset + step) for step in (0, 1))
            one, other = (pixel.to(torch.int32) if pixel.dtype == torch.uint8 else pixel for pixel in pair)
            return one * (_PARTS - right) + other * right

        total = line(0) * (_PARTS - down) + line(width + 4) * down
        mixed = total / _PARTS**2 if total.is_floating_point() else (total + _PARTS**2 // 2) >> (2 * _BITS)
        return mixed.to(batch.dtype).view(batch.shape)

    def _places(self, height: int, width: int, draws: Draws) -> tuple[Tensor, Tensor]:
        """The rows and the columns that each pixel comes from, int32 (B, height, width), in parts of a pixel."""
        table = _cosines_and_sines(self.degrees).to(draws.samples.device)
        turns = table[draws.integers(DrawNumber.ROTATE, 0, _ANGLES)]  # (B, 2)
        factor = 1 + self.zoom * (2 * draws.uniform(DrawNumber.ZOOM).double() - 1)
        cosine, sine = ((turns[:, axis] / factor)[:, None, None] for axis in (0, 1))
        down = torch.arange(height, device=turns.device).double()[None, :, None] - (height - 1) / 2
        right = torch.arange(width, device=turns.device).double()[None, None, :] - (width - 1) / 2
        rows = cosine * down + sine * right + (height - 1) / 2
        columns = cosine * right - sine * down + (width - 1) / 2
        return (rows * _PARTS).round().to(torch.int32), (columns * _PARTS).round().to(torch.int32)


@cache
def _cosines_and_sines(degrees: float) -> Tensor:
    """Cosine and sine of the angles from -degrees to +degrees, float64 (1025, 2)."""
    angles = [math.radians(degrees * (2 * step / _ANGLES - 1)) for step in range(_ANGLES + 1)]
    return torch.tensor([(math.cos(angle), math.sin(angle)) for angle in angles], dtype=torch.float64)
