"""Mix each sample with a partner: seen = w sample + (1 - w) partner, w of Beta(alpha, alpha).

(Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.) The teacher labels the mixture itself, so no labels
are mixed here. Partner and weight depend on (seed, view, sample) only: every input of a sample has the same.

Two uniform draws u and v give the weight, exactly and without rejection (Devroye, "Random variate generation in one
line of code", 1996): t = sqrt(u^(-1/alpha) - 1) cos(2 pi v) has Student's t distribution over sqrt(2 alpha) (Bailey
1994), and w = (1 + t / sqrt(1 + t^2)) / 2. With q = u^(1/alpha), multiplied through so that nothing overflows:

    w = (1 + cos(2 pi v) sqrt((1 - q) / (q + (1 - q) cos^2(2 pi v)))) / 2
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kdeploy.samples.draws import Draws
from kdeploy.samples.views.numbers import DrawNumber

WHOLE = 2**16


def partners(draws: Draws, pool: Tensor) -> Tensor:
    """The partner of each sample, int64 (B,): one of the indices in `pool`, (P,), maybe its own."""
    return pool[draws.integers(DrawNumber.MIXUP_PARTNER, 0, len(pool) - 1)]


def weights(draws: Draws, alpha: float) -> Tensor:
    """Each sample's own weight in 65,536ths, int64 (B,): coarse enough to hide the last bits of a device's cosine."""
    half = 2.0**-25  # in the middle of its 2**-24, so that no u is 0 and no cosine either
    radius = draws.uniform(DrawNumber.MIXUP_RADIUS).to(torch.float64) + half
    angle = draws.uniform(DrawNumber.MIXUP_ANGLE).to(torch.float64) + half
    power, cosine = radius ** (1 / alpha), torch.cos(2 * math.pi * angle)
    weight = (1 + cosine * ((1 - power) / (power + (1 - power) * cosine.square())).sqrt()) / 2
    return (weight * WHOLE).round().to(torch.int64)


def mix(batch: Tensor, others: Tensor, own: Tensor) -> Tensor:
    """The weighted mean of two batches, of their dtype; pixels are rounded, half up.

    Args:
        batch, others: (B, ...), of one dtype.
        own: int64 (B,), the weight of each row of `batch`, as `weights` gives it.
    """
    own = own.view(-1, *(1,) * (batch.ndim - 1))  # (B, 1, ...)
    if batch.dtype == torch.uint8:
        # exact: a byte and sixteen binary places fit in the 24 bits of a float32
        behind = others.to(torch.float32)
        apart = batch.to(torch.float32) - behind
        return behind.addcmul_(apart, (own / WHOLE).to(torch.float32)).add_(0.5).to(torch.uint8)
    return batch * (own / WHOLE).to(batch.dtype) + others * ((WHOLE - own) / WHOLE).to(batch.dtype)
