from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.samples.arrays.targets import read


def test_a_column_of_numbers_is_a_value_by_its_name():
    for array in (np.array([1, 2, 3]), np.array([[1.0], [2.0], [3.0]])):
        found = read(array, "data.npz: price", "values")
        assert (found.numbers.dtype, found.numbers.tolist()) == (np.float32, [[1.0], [2.0], [3.0]])
        assert found.names == ("price",)


def test_several_columns_are_numbered_and_nan_stays():
    found = read(np.array([[1.0, np.nan], [0.0, 1.0]]), "data.npz: y", "labels")
    assert np.isnan(found.numbers).tolist() == [[False, True], [False, False]]
    assert found.names == ("y.0", "y.1")
    assert found.assumed == ("y float64 (2, 2) is read as labels",)


def test_classes_are_read_as_before():
    assert read(np.array(["b", "a"]), "data.npz: y", "classes").names == ("a", "b")


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.zeros((2, 2, 2)), np.zeros((2, 0))])
def test_what_is_no_column_of_numbers_is_refused(array: np.ndarray):
    with pytest.raises(DataError) as caught:
        read(array, "data.npz: y", "values")
    assert str(caught.value) == (
        f"data.npz: y: must be numbers (N,) or (N, values) for outputs values ({array.dtype} {array.shape}). "
        "Name another array under data.y, or set outputs to classes."
    )
