"""A model's preprocessing in NumPy: the reference, and what a machine without torch runs.

    x = canonical * scale;  x = bilinear(x, size);  x = (x - mean) / std

all in float32, each step left out where its field is null. Bilinear takes pixel centres at half integers and does not
smooth when it shrinks (torch's `align_corners=False, antialias=False`): output i reads the input at
max(0, (i + 1/2) * in / out - 1/2), between the two nearest pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.records.preprocessing import Preprocessing

Floats = NDArray[np.float32]


def apply_numpy(spec: Preprocessing, batch: NDArray[Any]) -> Floats:
    """A model's input, float32 (B, *spec.model_shape), from canonical samples (B, *spec.shape).

    Raises: DataError when the batch is not what the spec says, or the spec cannot be.
    """
    check(spec, batch.shape, str(batch.dtype))
    values = batch.astype(np.float32)
    if spec.scale != 1.0:
        values = values * np.float32(spec.scale)
    if spec.size is not None:
        values = _along(_along(values, 2, spec.size[0]), 3, spec.size[1])
    if spec.mean is not None:
        values = values - _per_channel(spec.mean, values.ndim)
    if spec.std is not None:
        values = values / _per_channel(spec.std, values.ndim)
    return values


def check(spec: Preprocessing, shape: tuple[int, ...], dtype: str) -> None:
    """Refuse a batch of another shape or dtype, and a spec that no batch can follow."""
    where = f"preprocessing of {spec.input}"
    if shape[1:] != spec.shape or len(shape) < 2 or dtype != spec.dtype:
        must = f"must be given {spec.dtype} (B, {', '.join(map(str, spec.shape))})"
        raise DataError(where, must, got=f"{dtype} {shape}")
    if spec.size is not None and (spec.kind != "image" or len(spec.shape) != 3 or min(spec.size) < 1):
        must = "must resize only images (channels, height, width), to at least 1x1"
        raise DataError(where, must, got=f"{spec.kind} {spec.shape} to {spec.size}")
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        if values is not None and len(values) != spec.shape[0]:
            raise DataError(where, f"must have one {name} a channel, {spec.shape[0]}", got=str(len(values)))
    if spec.std is not None and 0.0 in spec.std:
        raise DataError(where, "must have no std of 0", got=str(spec.std))


def _per_channel(values: tuple[float, ...], dimensions: int) -> Floats:
    return np.asarray(values, np.float32).reshape(1, -1, *(1,) * (dimensions - 2))


def _along(values: Floats, axis: int, size: int) -> Floats:
    """Values resized bilinearly to `size` along one axis; the two axes are independent."""
    length = values.shape[axis]
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(length / size) - np.float32(0.5)
    at = np.maximum(at, np.float32(0))
    low = np.minimum(at.astype(np.int64), length - 1)
    high = np.minimum(low + 1, length - 1)
    weight = (at - low.astype(np.float32)).reshape(-1, *(1,) * (values.ndim - axis - 1))
    blended: Floats = values.take(low, axis) * (1 - weight) + values.take(high, axis) * weight
    return blended
