"""Built-in deep teachers.

`deep-cnn`: 32-32-pool-64-64-pool-128-128, 3x3 kernels, batch norm, ReLU, global average pooling; 29.1M
multiply-adds and 0.29M parameters on 28x28 grey images.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kdeploy.models.normalise import Normalise
from kdeploy.models.seeding import drawn_from

_WIDTHS = ((32, 32), (64, 64), (128, 128))


class DeepCnn(nn.Module):
    """Six convolutions in three stages.

    Args:
        shape: (channels, height, width) of one sample, height and width at least 4.
        classes: number of logits.
        mean, std: per channel of the input.
    """

    def __init__(self, *, shape: Sequence[int], classes: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std, axes=4)
        layers: list[nn.Module] = []
        channels = shape[0]
        for number, widths in enumerate(_WIDTHS):
            layers += [nn.MaxPool2d(2)] if number else []
            for width in widths:
                # batch norm has a bias of its own, so the convolution needs none
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.logits = nn.Linear(channels, classes)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        logits: Tensor = self.logits(self.pool(self.features(self.normalise(batch))))
        return logits

    def chain(self) -> nn.Sequential:
        """The same network as one chain of layers, for transformations."""
        return nn.Sequential(self.normalise, *self.features, *self.pool, self.logits)


def seeded(seed: int, **arguments: object) -> DeepCnn:
    """A teacher whose initial weights depend on the seed and on nothing else."""
    with drawn_from(seed):
        return DeepCnn(**arguments)  # type: ignore[arg-type]
