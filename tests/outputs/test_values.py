from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.outputs.values import VALUES


def test_r2_of_a_worked_example():
    # mean 2, spread 2; errors 1, 0, -1: 1 - 2 / 2; half of them: 1 - 0.5 / 2
    targets = np.array([[1.0], [2.0], [3.0]], np.float32)
    assert VALUES.quality(np.array([[2.0], [2.0], [2.0]]), targets) == pytest.approx(0.0)
    assert VALUES.quality(np.array([[1.5], [2.0], [2.5]]), targets) == pytest.approx(0.75)


def test_rmse_and_mae_are_in_the_unit_of_the_targets():
    targets = np.array([[100.0], [200.0], [np.nan]], np.float32)
    assert VALUES.others(np.array([[103.0], [196.0], [1.0]]), targets) == pytest.approx(
        {"RMSE": np.sqrt(12.5), "MAE": 3.5}
    )


def test_a_large_mean_takes_nothing_from_the_quality():
    draws = np.random.default_rng(0).normal(size=(500, 1))
    targets = (1e7 + 100 * draws).astype(np.float32)
    off = targets + 10 * np.random.default_rng(1).normal(size=(500, 1))
    assert VALUES.quality(off, targets) == pytest.approx(0.99, abs=0.002)


def test_the_quality_of_several_columns_is_their_mean_and_leaves_out_one_that_never_changes():
    first, constant = np.array([1.0, 2.0, 3.0]), np.full(3, 7.0)
    targets = np.stack([first, first, constant], 1).astype(np.float32)
    outputs = np.stack([first, np.array([1.5, 2.0, 2.5]), constant + 1], 1)
    assert VALUES.quality(outputs, targets) == pytest.approx(0.875)


def test_targets_of_another_width_are_refused():
    with pytest.raises(DataError) as caught:
        VALUES.check(np.zeros((4, 3), np.float32), 2, "y", every=True)
    assert str(caught.value) == "y: must be float32 (N, 2), a column an output (float32 (4, 3))."
