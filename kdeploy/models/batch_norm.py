"""Batch norm (Ioffe and Szegedy 2015) without a factor: y = (x - m) / sqrt(v + e) + b.

Where a ReLU and a linear layer follow, or a linear layer alone, these take over a positive factor:
W ReLU(g y) = (W g) ReLU(y). And without one, the larger of two inputs gives the larger output, so that batch norm may
change places with max pooling.
"""

from __future__ import annotations

from torch import nn


def without_factor(width: int, *, images: bool) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """A layer for (batch, width), or for images of shape (batch, width, rows, columns)."""
    layer = nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)
    layer.weight.requires_grad = False
    return layer
