"""A model's preprocessing in torch: the equation and the checks are those of `preprocessing_numpy`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing_numpy import check


def apply(spec: Preprocessing, batch: Tensor) -> Tensor:
    """A model's input, float32 (B, *spec.model_shape), on the batch's device, from canonical samples (B, *spec.shape).

    Raises: DataError when the batch is not what the spec says, or the spec cannot be.
    """
    check(spec, tuple(batch.shape), str(batch.dtype).removeprefix("torch."))
    # a product of integers and a float is computed and kept in float32, without a copy in between
    values = batch.to(torch.float32) if spec.scale == 1.0 else batch * spec.scale
    if spec.size is not None:
        values = interpolate(values, size=spec.size, mode="bilinear", align_corners=False, antialias=False)
    if spec.mean is not None:
        values = values - _per_channel(spec.mean, values)
    if spec.std is not None:
        values = values / _per_channel(spec.std, values)
    return values


def _per_channel(numbers: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32, device=like.device).view(1, -1, *(1,) * (like.ndim - 2))
