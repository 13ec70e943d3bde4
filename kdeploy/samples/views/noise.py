"""Add gaussian noise to every value on its own: seen = values + full range * sigma * z.

The full range is 255 of pixels, which are rounded and clipped, and 1 of an array, whose sigma is in its own units.

z is the normal's quantile at the middle of one of 2**16 equal parts (Wichura's AS 241 in the standard library), so |z|
is at most 4.33. A table instead of Box and Muller's logarithm and cosine, because their last bits differ between
devices, and between the middle and the end of a vector: a view would depend on where its batch was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import to_pixels
from kdeploy.samples.views.numbers import DrawNumber

_PARTS = 2**16


@dataclass(frozen=True)
class Noise:
    """The step: a batch (B, ...) to another of its shape and dtype; `sigma` is a part of the full range."""

    sigma: float

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        parts = draws.sixteen_bits(DrawNumber.NOISE, batch[:1].numel())  # (B, values of a sample)
        normal = quantiles().to(batch.device)[parts].view(batch.shape)
        if batch.dtype == torch.uint8:
            return to_pixels(batch.to(torch.float32) + normal * (255 * self.sigma))
        return batch + (normal * self.sigma).to(batch.dtype)


@cache
def quantiles() -> Tensor:
    """The normal's quantiles at the middles of 2**16 equal parts, float32 (65536,)."""
    normal = NormalDist()
    return torch.tensor([normal.inv_cdf((part + 0.5) / _PARTS) for part in range(_PARTS)])
