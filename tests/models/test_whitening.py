from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from kdeploy.models.whitening import whitening


def coloured(samples: int, channels: int, side: int, seed: int) -> torch.Tensor:
    """Images whose channels depend on each other, and whose neighbours do."""
    generator = torch.Generator().manual_seed(seed)
    plain = torch.randn(samples, channels, side + 1, side + 1, generator=generator)
    mixed = torch.einsum("ij,bjhw->bihw", torch.randn(channels, channels, generator=generator), plain)
    return mixed[:, :, 1:, 1:] + 0.7 * mixed[:, :, :-1, :-1] + 0.3


def patches(images: torch.Tensor, kernel: int) -> np.ndarray:
    """Every patch as a row, by NumPy."""
    windows = sliding_window_view(images.numpy().astype(np.float64), (kernel, kernel), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1] * kernel * kernel)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 20))
def test_whitened_patches_are_uncorrelated_and_of_variance_one(channels: int, kernel: int, seed: int):
    images = coloured(150, channels, 6, seed)
    rows = whitening(images, kernel, floor=0.0).flatten(1).double().numpy()
    found = np.cov(patches(images, kernel) @ rows.T, rowvar=False, bias=True)
    np.testing.assert_allclose(np.atleast_2d(found), np.eye(len(rows)), atol=2e-3)


def test_the_floor_adds_to_every_eigenvalue():
    images = coloured(50, 3, 6, 0)
    values = np.linalg.eigvalsh(np.cov(patches(images, 2), rowvar=False, bias=True))[::-1]
    lengths = whitening(images, 2, floor=0.25).flatten(1).norm(dim=1).numpy()
    np.testing.assert_allclose(lengths, 1 / np.sqrt(values + 0.25), rtol=1e-4)


def test_a_direction_in_which_nothing_differs_stays_small():
    grey = coloured(50, 1, 6, 0).repeat(1, 3, 1, 1)  # three equal channels: rank 4 of 12
    assert whitening(grey, 2, floor=0.01).flatten(1).norm(dim=1).max() <= 10.01


def test_the_sign_of_a_row_is_not_left_to_the_library():
    images = coloured(50, 3, 6, 0)
    for found in (whitening(images, 2, 0.01), whitening(-images, 2, 0.01)):
        rows = found.flatten(1)
        assert (rows.gather(1, rows.abs().argmax(1, keepdim=True)) > 0).all()


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(ValueError, match=r"^images must have at least 3 x 3 pixels \(got \(5, 1, 2, 4\)\)$"):
        whitening(torch.zeros(5, 1, 2, 4), 3, 0.1)
