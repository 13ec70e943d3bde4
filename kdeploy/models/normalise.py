"""Per-channel normalisation as the first layer of a network, so that a model file takes plain pixels / 255.

y = (x - mean) / std
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Normalise axis 1 of a batch by constants that training does not change.

    Args:
        mean, std: one value a channel; std above 0.
        axes: the number of axes of a batch, 2 for (batch, features), 4 for images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], axes: int) -> None:
        super().__init__()
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError(f"mean and std must have one value a channel, std above 0 (got {mean} and {std})")
        # a division by ones would be exported as a node that does nothing
        self.scales = any(value != 1 for value in std)
        shape = (1, len(mean), *[1] * (axes - 2))
        self.register_buffer("mean", torch.tensor(mean).reshape(shape))
        self.register_buffer("std", torch.tensor(std).reshape(shape))

    def forward(self, batch: Tensor) -> Tensor:
        """Shape (batch, channels, ...) to the same."""
        centred = batch - self.mean
        return centred / self.std if self.scales else centred
