"""What a user's package might hold: modules built by a function, right and wrong."""

from __future__ import annotations

import torch
from torch import nn


def build() -> nn.Module:
    """A classifier of 1x28x28 images, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))


def build_a_pair() -> nn.Module:
    """Two linear layers that are one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.Linear(30, 10))


def build_a_number() -> int:
    return 3
