"""Compact students: narrow and deep convolutional networks.

    stage: [conv 3x3, batch norm, ReLU] x depth    one for each of the widths, max pooling between two
    head:  average pooling to grid x grid, logits = W h + c

With `depthwise` every convolution but the first is one over each channel and one over its pixel's channels, each with
batch norm and ReLU (Howard et al. 2017, "MobileNets", arXiv 1704.04861):
9 C + C C' instead of 9 C C' multiply-adds a pixel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from kdeploy.models.batch_norm import without_factor
from kdeploy.models.normalise import Normalise


class CompactSizes(NamedTuple):
    """The sizes of such a network.

    Args:
        widths: channels of each stage.
        depth: convolutions of each stage.
        kernel: side of a convolution, odd; zero padding keeps height and width.
        depthwise: each convolution but the first in two?
        pool: side of the max pooling between stages.
        grid: side of what the logits read, of average pooling; 1 is one value a channel.
    """

    widths: Sequence[int]
    depth: int
    kernel: int
    depthwise: bool
    pool: int
    grid: int


class CompactStudent(nn.Module):
    """A student for images of a fixed shape.

    Args:
        shape: (channels, height, width) of one sample.
        classes: number of logits.
        sizes: fields of CompactSizes.
        mean, std: per channel of the input.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        classes: int,
        sizes: Mapping[str, Any],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        widths, depth, kernel, depthwise, pool, grid = CompactSizes(**sizes)
        self.normalise = Normalise(mean, std, axes=4)
        channels = [shape[0], *(width for width in widths for _ in range(depth))]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(channels)):
            layers += [nn.MaxPool2d(pool)] if number and number % depth == 0 else []
            layers += _convolution(before, after, kernel, depthwise=depthwise and number > 0)
        self.features = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten())
        self.logits = nn.Linear(channels[-1] * grid * grid, classes)
        self.apply(_initialise)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        logits: Tensor = self.logits(self.pool(self.features(self.normalise(batch))))
        return logits

    def chain(self) -> nn.Sequential:
        """The same network as one chain of layers, for transformations."""
        return nn.Sequential(self.normalise, *self.features, *self.pool, self.logits)


def _convolution(before: int, after: int, kernel: int, *, depthwise: bool) -> Iterator[nn.Module]:
    """A convolution with batch norm and ReLU, or the two that stand for it; batch norm has the bias."""
    sizes = [(before, after, kernel, 1)]
    if depthwise:
        sizes = [(before, before, kernel, before), (before, after, 1, 1)]
    for inputs, outputs, side, groups in sizes:
        yield nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups, bias=False)
        yield without_factor(outputs, images=True)
        yield nn.ReLU()


def _initialise(module: nn.Module) -> None:
    """He et al. 2015: variance 2 / fan-in before a ReLU, 1 / fan-in before the logits."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        gain = 2.0 if isinstance(module, nn.Conv2d) else 1.0
        nn.init.normal_(module.weight, std=math.sqrt(gain / module.weight[0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
