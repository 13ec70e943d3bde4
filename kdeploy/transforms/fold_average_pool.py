"""Fold average pooling into the linear layer behind it, where that is faster.

    V pool(x) = V' x,    V'[:, (c, i, j)] = V[:, (c, i div p, j div q)] / (p q)

Each column of V becomes p q columns, so this never saves multiply-adds; it saves a node. Measured (AMD EPYC,
onnxruntime 1.32, one thread, batch 1), by the multiply-adds that folding adds, microseconds pooled and folded:

    1,536: 6.8, 6.3    2,400: 7.0, 6.6    3,840: 7.3, 6.8    5,040: 6.8, 6.8    9,600: 7.3, 7.4    61,440: 9.3, 12.9

hence the limit of 4,096. Computed in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kdeploy.transforms.fuse import linear
from kdeploy.transforms.outcome import Outcome

LIMIT = 4096  # multiply-adds that may be added

Pool = nn.AvgPool2d | nn.AdaptiveAvgPool2d


def fold_average_pool(layers: nn.Sequential, shape: Sequence[int], limit: int = LIMIT) -> Outcome:
    """Fold the first average pooling that stands before Flatten and a linear layer.

    Args:
        shape: of one sample.
    Refuses when there is none, windows that overlap or do not fill the image, and where it adds more than `limit`.
    """
    chain = list(layers)
    for place in range(len(chain) - 2):
        pool, flat, layer = chain[place : place + 3]
        if isinstance(pool, Pool) and isinstance(flat, nn.Flatten) and isinstance(layer, nn.Linear):
            return _into(layers, place, pool, layer, shape, limit)
    return Outcome(layers, False, "no average pooling stands before a linear layer", applies=False)


@torch.no_grad()
def _into(layers: nn.Sequential, place: int, pool: Pool, layer: nn.Linear, shape: Sequence[int], limit: int) -> Outcome:
    image = layers[:place](torch.zeros(1, *shape, dtype=layer.weight.dtype))
    (_, channels, height, width), (_, _, tall, wide) = image.shape, pool(image).shape
    if not _fills(pool, (height, width), (tall, wide)):
        return Outcome(layers, False, "the windows of the average pooling overlap, or do not fill the image")
    added = (height * width - tall * wide) * channels * layer.out_features
    if added > limit:
        return Outcome(layers, False, f"it would add {added} multiply-adds, more than the {limit} that pay")
    # the windows are (units, channels, tall, 1, wide, 1)
    windows = layer.weight.double().reshape(-1, channels, tall, 1, wide, 1) * (tall * wide / (height * width))
    weight = windows.expand(-1, -1, -1, height // tall, -1, width // wide).reshape(layer.out_features, -1)
    replacement = linear(weight, layer.bias, like=layer.weight)
    chain = list(layers)
    chain[place : place + 3] = chain[place + 1], replacement
    return Outcome(nn.Sequential(*chain).eval(), True, f"into the linear layer behind it, {added} multiply-adds more")


def _fills(pool: Pool, image: tuple[int, int], pooled: tuple[int, int]) -> bool:
    """Is every pixel in one window, all of one size?"""
    if image[0] % pooled[0] or image[1] % pooled[1]:
        return False
    if isinstance(pool, nn.AdaptiveAvgPool2d):
        return True
    window = (image[0] // pooled[0], image[1] // pooled[1])
    plain = pool.divisor_override is None and _two(pool.padding) == (0, 0)
    return plain and _two(pool.kernel_size) == _two(pool.stride) == window


def _two(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)
