"""Brightness b, contrast c and saturation s, each factor uniform in [1 - strength, 1 + strength).

    seen = b (c (s image + (1 - s) grey) + (1 - c) mean),   grey = 0.299 R + 0.587 G + 0.114 B   (ITU-R BT.601)

with `mean` that of the image's grey. The three are linear, so they are one line, rounded and clipped once at its end.
An image of one channel is its own grey. Grey and mean are sums of integers, which no order of summation changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import must_be_pixels, to_pixels
from kdeploy.samples.views.numbers import DrawNumber

_THOUSANDTHS = (299, 587, 114)


@dataclass(frozen=True)
class Colour:
    """The step: uint8 images (B, 1 or 3, height, width) to others of their shape; `strength` is at most 1."""

    strength: float

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_pixels(batch, "color")
        brightness = self._factor(draws, DrawNumber.BRIGHTNESS)  # (B, 1, 1, 1), and so the next two
        contrast = self._factor(draws, DrawNumber.CONTRAST)
        saturation = self._factor(draws, DrawNumber.SATURATION)
        grey, mean = _grey(batch)
        saturated = saturation * batch.to(torch.float32) + (1 - saturation) * grey
        return to_pixels(brightness * (contrast * saturated + (1 - contrast) * mean))

    def _factor(self, draws: Draws, number: DrawNumber) -> Tensor:
        return (1 + self.strength * (2 * draws.uniform(number) - 1)).view(-1, 1, 1, 1)


def _grey(batch: Tensor) -> tuple[Tensor, Tensor]:
    """The grey of each image, (B, 1, height, width), and its mean, (B, 1, 1, 1), float32."""
    weights = torch.tensor(_THOUSANDTHS if batch.shape[1] == 3 else (1000,), dtype=torch.int32, device=batch.device)
    grey = (batch * weights.view(1, -1, 1, 1)).sum(1, keepdim=True, dtype=torch.int32)
    mean = grey.sum((2, 3), keepdim=True).to(torch.float64) / (1000 * grey.shape[2] * grey.shape[3])
    return grey.to(torch.float32) / 1000, mean.to(torch.float32)
