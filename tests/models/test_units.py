from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kdeploy.models.units import units_of


def test_a_folded_layer_gives_values_in_their_unit():
    units = units_of([np.array([[100.0, 5.0], [300.0, 7.0]]), np.array([[500.0, 9.0]])])
    layer, batch = nn.Linear(4, 2), torch.randn(10, 4)
    standard = layer(batch).detach().numpy()
    units.fold_into(layer)
    assert np.allclose(layer(batch).detach().numpy(), units.restored(standard), rtol=1e-5)
    assert np.allclose(units.standard(units.restored(standard)), standard, atol=1e-5)


def test_units_are_mean_and_spread_of_what_is_known_over_all_blocks():
    blocks = [np.array([[1.0, np.nan], [3.0, 4.0]], np.float32), np.array([[5.0, 4.0]], np.float32)]
    units = units_of(blocks)
    assert units.mean == pytest.approx([3.0, 4.0])
    assert units.std == pytest.approx([np.sqrt(8 / 3), 1.0])  # the second never changes


def test_a_large_mean_takes_nothing_from_the_spread():
    values = (1e7 + np.arange(100.0)[:, None]).astype(np.float32)
    assert units_of([values]).std == pytest.approx(np.arange(100.0).std(), rel=1e-6)
