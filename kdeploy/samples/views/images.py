"""Checks of a batch of images, which the steps for images share."""

from __future__ import annotations

import torch
from torch import Tensor

from kdeploy.errors import DataError


def must_be_images(batch: Tensor, key: str) -> None:
    """Refuse what is not (B, channels, height, width); `key` is the step's key under `views`."""
    if batch.ndim != 4:
        _refuse(batch, key, "must be given images (B, channels, height, width)")


def must_be_pixels(batch: Tensor, key: str) -> None:
    """Refuse what is not uint8 images, (B, 1 or 3, height, width)."""
    if batch.ndim != 4 or batch.dtype != torch.uint8 or batch.shape[1] not in (1, 3):
        _refuse(batch, key, "must be given uint8 images (B, 1 or 3, height, width)")


def to_pixels(values: Tensor) -> Tensor:
    """Values of any shape as uint8, rounded to the nearest of 0 to 255, half to even."""
    return values.round().clamp(0, 255).to(torch.uint8)


def _refuse(batch: Tensor, key: str, must: str) -> None:
    name = str(batch.dtype).removeprefix("torch.")
    got = f"{name} {tuple(batch.shape)}"
    raise DataError(f"views.{key}", must, got=got, advice=f"Set views.{key} to 0 for this input.")
