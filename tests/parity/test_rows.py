"""A row for each input, of finite numbers, or the answer cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import NonFiniteError, ParityError
from kdeploy.parity.rows import check_finite, check_rows


def test_a_row_for_each_input_of_finite_numbers_is_taken():
    logits = np.zeros((4, 3))
    check_rows(logits, 4, "m.onnx")
    check_finite(logits, "m.onnx")


@pytest.mark.parametrize("shape", [(1, 3), (4,), (3, 4), (4, 3, 1)])
def test_another_number_of_rows_or_axes_is_refused(shape):
    with pytest.raises(ParityError) as caught:
        check_rows(np.zeros(shape), 4, "m.onnx")
    assert str(caught.value) == (
        f"m.onnx: must answer 4 inputs with a row of logits each (logits of shape {shape}). "
        "Its batch is lost or baked in on the way: export it again with a dynamic one."
    )


def test_infinity_and_nan_are_counted_by_input():
    logits = np.zeros((4, 3))
    logits[1, 0], logits[1, 2], logits[3, 1] = np.nan, -np.inf, np.inf
    with pytest.raises(NonFiniteError) as caught:
        check_finite(logits, "m.onnx")
    assert str(caught.value) == (
        "m.onnx: must answer with finite logits (2 of 4 inputs have NaN or infinity among theirs). "
        "Nothing can be compared with those: look at how it was trained or exported."
    )
