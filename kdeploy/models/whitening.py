"""Whitening of image patches, by which a first convolution sees uncorrelated inputs of variance about 1.

    W = (E + e I)^(-1/2) Q^T,    Q E Q^T = covariance of the k x k patches (eigenvalues E, eigenvectors in Q)

Rows of W are eigenvectors over the square root of their eigenvalue. e keeps directions in which patches hardly differ
from being blown up (Krizhevsky 2009, appendix A; Coates, Ng and Lee 2011).
"""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLES = 5000  # of which the patches are taken; more of them change the third digit


def whitening(images: Tensor, kernel: int, floor: float) -> Tensor:
    """W of all patches inside the images, shape (channels k k, channels, k, k), the largest eigenvalue first; float32.

    Args:
        images: (images, channels, height, width), normalised.
        kernel: k.
        floor: e, against eigenvalues of the covariance of normalised pixels.
    Raises: ValueError for images smaller than a patch.
    """
    channels = images.shape[1]
    if min(images.shape[2:]) < kernel:
        raise ValueError(f"images must have at least {kernel} x {kernel} pixels (got {tuple(images.shape)})")
    width = channels * kernel * kernel
    second, count = torch.zeros(width, width, dtype=torch.float64), 0
    total = torch.zeros(width, dtype=torch.float64)
    for part in torch.split(images, 100):
        patches = (
            torch.nn.functional.unfold(part.double(), kernel).transpose(1, 2).reshape(-1, width)
        )  # (places, width)
        second += patches.T @ patches
        total += patches.sum(0)
        count += len(patches)
    mean = total / count
    values, vectors = torch.linalg.eigh(second / count - torch.outer(mean, mean))
    rows = (vectors / torch.sqrt(values.clamp(min=0) + floor)).T.flip(0)
    return signed(rows).reshape(width, channels, kernel, kernel).float()


def signed(rows: Tensor) -> Tensor:
    """Eigenvectors, one a row, with a positive largest entry: none has a sign of its own, and libraries differ.

    Shape (vectors, width), and so is the result.
    """
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return rows * largest.sign()
