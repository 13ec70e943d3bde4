"""A deep teacher for small colour images that learns in minutes: `whitened-cnn`.

    whitened 2x2 patches and their negatives (frozen) - GELU - three times [conv - pool - norm - GELU - conv - norm -
    GELU] of 64, 256, 256 channels, 3x3 kernels - largest value of each channel - logits / 9

1.97M parameters and 118M multiply-adds on 32x32 colour images. After Jordan, "94% on CIFAR-10 in 3.29 Seconds on a
Single GPU" (arXiv 2404.00498, airbench): the frozen first layer is Page's, the other choices let a large learning rate
work from the start: convolutions begin as the identity (dirac), pooling stands before batch norm, batch norm has no
factor, since the next layer has one, and the logits are scaled down. Labels are not smoothed: that spoils soft targets.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kdeploy.models.batch_norm import without_factor
from kdeploy.models.normalise import Normalise
from kdeploy.models.seeding import drawn_from
from kdeploy.models.whitening import whitening

_WIDTHS = (64, 256, 256)
_PATCH = 2
_FLOOR = 5e-4
_SCALE = 1 / 9


class WhitenedCnn(nn.Module):
    """Seven convolutions, the first of which is set by `whiten` and not trained.

    Args:
        shape: (channels, height, width) of one sample, height and width at least 9.
        classes: number of logits.
        mean, std: per channel of the input.
    """

    def __init__(self, *, shape: Sequence[int], classes: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std, axes=4)
        channels = 2 * shape[0] * _PATCH**2
        self.patches = nn.Conv2d(shape[0], channels, _PATCH)
        self.patches.weight.requires_grad = False
        layers: list[nn.Module] = [nn.GELU()]
        for width in _WIDTHS:
            layers += [_convolution(channels, width), nn.MaxPool2d(2), without_factor(width, images=True), nn.GELU()]
            layers += [_convolution(width, width), without_factor(width, images=True), nn.GELU()]
            channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.logits = nn.Linear(channels, classes, bias=False)

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Set the first layer from samples as the network reads them, (samples, *shape)."""
        rows = whitening(self.normalise(images), _PATCH, _FLOOR)
        self.patches.weight.copy_(torch.cat([rows, -rows]))

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        features = self.pool(self.features(self.patches(self.normalise(batch))))
        # scaled ahead of the last layer, so that it is a linear layer that gives the logits
        logits: Tensor = self.logits(features * _SCALE)
        return logits

    @torch.no_grad()
    def chain(self) -> nn.Sequential:
        """The same network as one chain of layers, for transformations; the scale is in the weights of the logits."""
        logits = copy.deepcopy(self.logits)
        logits.weight.mul_(_SCALE)
        return nn.Sequential(self.normalise, self.patches, *self.features, *self.pool, logits)


def _convolution(before: int, after: int) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:before])
    return layer


def seeded(seed: int, **arguments: object) -> WhitenedCnn:
    """A teacher whose initial weights depend on the seed and on nothing else; `whiten` is the caller's."""
    with drawn_from(seed):
        return WhitenedCnn(**arguments)  # type: ignore[arg-type]
