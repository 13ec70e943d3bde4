"""Hints (Romero et al. 2015, "FitNets: Hints for Thin Deep Nets", arXiv 1412.6550, equation 3).

    L_i = 1 / D ||r(v_i) - u_i||^2

with u the teacher's features, D wide, v those of a hidden layer of the student, and r a linear map that is trained
with the student and thrown away after. The paper has 1/2 for 1/D; with 1/D a weight means the same at every width.
"""

from __future__ import annotations

from torch import Tensor


def hint_loss(projected: Tensor, features: Tensor) -> Tensor:
    """Each sample's squared distance from its hint, shape (batch,); its mean is the loss.

    Args:
        projected: the student's hidden layer behind r, shape (batch, D).
        features: the teacher's, shape (batch, D).
    Raises: ValueError when the shapes differ.
    """
    if projected.shape != features.shape:
        shapes = f"{tuple(projected.shape)} and {tuple(features.shape)}"
        raise ValueError(f"a hint must have the shape of the student's projection (got {shapes})")
    return (projected - features).square().mean(dim=1)
