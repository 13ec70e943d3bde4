"""Move each image by integers drawn from [-most, most], down and to the right, and fill with zero.

    seen[y, x] = image[y - down, x - right]

`crop` does the same to the mirrored image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn.functional import pad

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.images import must_be_images
from kdeploy.samples.views.numbers import DrawNumber


@dataclass(frozen=True)
class Shift:
    most: int

    def __call__(self, batch: Tensor, draws: Draws) -> Tensor:
        must_be_images(batch, "shift")
        down = draws.integers(DrawNumber.SHIFT_DOWN, -self.most, self.most)
        right = draws.integers(DrawNumber.SHIFT_RIGHT, -self.most, self.most)
        cut = _cut_array if batch.device.type == "cpu" else _cut_tensor
        return cut(pad(batch, (self.most,) * 4), self.most - down, self.most - right, batch.shape[2:])


def _cut_array(padded: Tensor, top: Tensor, left: Tensor, size: torch.Size) -> Tensor:
    """`_cut_tensor` by NumPy, which copies whole windows where torch gathers pixel by pixel: five times as fast."""
    windows = sliding_window_view(padded.numpy(), tuple(size), axis=(2, 3))
    return torch.from_numpy(windows[np.arange(len(padded)), :, top.numpy(), left.numpy()])


def _cut_tensor(padded: Tensor, top: Tensor, left: Tensor, size: torch.Size) -> Tensor:
    """The window of each image that begins at (top, left)."""
    windows = padded.unfold(2, size[0], 1).unfold(3, size[1], 1)  # (B, C, 2 most + 1, 2 most + 1, H, W), no copy
    return windows[torch.arange(len(padded), device=padded.device), :, top, left]
