"""A dense layer on images whose units learn from what is near them.

    y = (S * W) x + b,    S[i, (c, p)] = exp(-|p - centre(i)|^2 / (2 sigma^2)),    * elementwise

W is trained: initial weights and steps are the smaller, the farther their pixel p is from the unit's place, and beyond
some three sigma they vanish. So it is a locally connected layer with a soft edge. Nothing is shared between
places, which a convolution does, and S * W is an ordinary matrix as soon as the training is over. Neyshabur 2020,
"Towards Learning Convolutions from Scratch" (arXiv 2007.13657), compares dense, local and convolutional networks: most
of what a dense network lacks on images is locality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocalLinear(nn.Linear):
    """A linear layer from images of a fixed shape, flattened, to units that stand on a grid over them.

    The grid has a place about every sigma pixels in both directions; unit i stands on place i modulo their number.

    Args:
        shape: of an image: (channels, height, width).
        units: number of outputs.
        sigma: standard deviation of the Gaussian, in pixels.
        bias: add one?
    """

    scale: Tensor

    def __init__(self, shape: Sequence[int], units: int, *, sigma: float, bias: bool = True) -> None:
        super().__init__(math.prod(shape), units, bias=bias)
        # of the arguments alone, so that it is not in the file of the weights
        self.register_buffer("scale", _scale(shape, units, sigma), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, channels * height * width) to (batch, units)."""
        return functional.linear(x, self.weight * self.scale, self.bias)

    @torch.no_grad()
    def draw(self, variance: float) -> None:
        """Draw the weights anew, so that inputs of variance 1 give outputs of this variance wherever a unit stands."""
        nn.init.normal_(self.weight)
        self.weight.mul_(torch.sqrt(variance / self.scale.square().sum(1, keepdim=True)))

    @torch.no_grad()
    def dense(self) -> nn.Linear:
        """The same map as an ordinary layer."""
        layer = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        layer.weight = nn.Parameter(self.weight * self.scale, requires_grad=False)
        layer.bias = self.bias
        return layer


def _scale(shape: Sequence[int], units: int, sigma: float) -> Tensor:
    """S, shape (units, channels * height * width)."""
    channels, height, width = shape
    rows, columns = _places(height, sigma), _places(width, sigma)
    place = torch.arange(units) % (len(rows) * len(columns))
    above = rows[place // len(columns), None] - torch.arange(height)  # (units, height)
    across = columns[place % len(columns), None] - torch.arange(width)  # (units, width)
    squared = above.square()[:, :, None] + across.square()[:, None, :]  # (units, height, width)
    near = torch.exp(-squared / (2 * sigma**2))
    return near[:, None].expand(-1, channels, -1, -1).reshape(units, -1)


def _places(pixels: int, sigma: float) -> Tensor:
    """Where units stand along one axis, shape (places,): the middles of equal parts of about sigma pixels."""
    count = max(1, round(pixels / sigma))
    return (torch.arange(count) + 0.5) * (pixels / count) - 0.5
