"""A noisy teacher (Sau and Balasubramanian 2016, "Distilling Knowledge from Noisy Teachers", arXiv 1610.09650).

    z'_c = (1 + xi_c) z_c,    xi_c ~ N(0, sigma^2),    for a share of the samples; the others keep their z

Which samples, and xi, are a pure function of (seed, epoch, sample), so they are the same for any batch cut and in a
resumed run. xi comes from two uniform draws a class (Box and Muller 1958): sqrt(-2 ln(1 - u)) cos(2 pi v).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kdeploy.losses.options import Noise
from kdeploy.samples.draws import Draws

# Views draw from (seed, view, sample) too: a seed beyond any of a recipe keeps the noise independent of their shifts.
_FIRST_SEED = int.from_bytes(b"noise")


def perturbed(teacher_logits: Tensor, noise: Noise, *, seed: int, epoch: int, samples: Tensor) -> Tensor:
    """The teacher's logits with the noise of an epoch.

    Args:
        teacher_logits: shape (batch, classes).
        samples: the index of each sample in the sample set, int64 of shape (batch,).
    Returns: shape (batch, classes).
    """
    draws = Draws(_FIRST_SEED + seed, epoch, samples[:, None])
    classes = 1 + torch.arange(teacher_logits.shape[1], device=samples.device)  # draw 0 says which samples
    radius = (-2 * torch.log1p(-draws.uniform(2 * classes))).sqrt()  # (batch, classes)
    normal = radius * torch.cos(2 * math.pi * draws.uniform(2 * classes + 1))
    mask = draws.uniform(0) < noise.share  # (batch, 1)
    return teacher_logits * torch.where(mask, 1 + noise.sigma * normal, 1.0)
