from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kdeploy.parity.hard_inputs import EACH, Spec, families, near_ties, spec_of

SPEC = Spec((2, 3, 4), -0.5, 2.0)


def linear(batch: np.ndarray) -> np.ndarray:
    """Three logits of inputs of four features."""
    weight = np.random.default_rng(3).standard_normal((4, 3)).astype(np.float32)
    return batch @ weight


def test_the_spec_is_what_the_real_inputs_show():
    inputs = np.array([[[0.25, 1.0]], [[-3.0, 0.5]]], np.float32)
    found = spec_of(inputs)
    assert found == Spec((1, 2), -3.0, 1.0)
    assert found.most == 3.0


def test_every_family_has_the_shape_and_is_finite_and_the_same_each_time():
    made, again = families(SPEC), families(SPEC)
    assert list(made) == [
        *("normal", "uniform", "limits", "zeros", "negative zeros", "ones", "largest", "large"),
        *("denormals", "spikes", "constants"),
    ]
    for name, array in made.items():
        assert array.dtype == np.float32
        assert array.shape[1:] == SPEC.shape
        assert 1 <= len(array) <= EACH
        assert np.isfinite(array).all()
        assert np.array_equal(array, again[name])


def test_each_family_is_what_its_name_says():
    made = families(SPEC)
    assert SPEC.low <= made["uniform"].min() <= made["uniform"].max() <= SPEC.high
    assert set(made["limits"].flat) == {SPEC.low, SPEC.high}
    assert np.signbit(made["negative zeros"]).all()
    assert not np.signbit(made["zeros"]).any()
    assert set(made["largest"].flat) == {-2.0, 2.0}
    assert np.abs(made["large"]).max() > 1e4
    assert 0 < np.abs(made["denormals"]).max() < np.finfo(np.float32).tiny
    assert (np.count_nonzero(made["spikes"].reshape(EACH, -1), axis=1) == 1).all()
    assert made["spikes"].max() == SPEC.most
    assert [len(set(image.flat)) for image in made["constants"]] == [1] * EACH


@given(arrays.arrays(np.float32, (6, 4), elements=st.floats(-10, 10, width=32)))
def test_near_ties_lie_between_two_classes_wherever_there_are_two(inputs: np.ndarray):
    found = near_ties(linear, inputs)
    if len(set(linear(inputs).argmax(1))) == 1:
        assert len(found) == 0
        return
    assert len(found) == 6
    ranked = np.sort(linear(found).astype(np.float64), axis=1)
    # 30 halvings of a segment of length 20, and a few roundings of float32 at logits of up to 40
    assert (ranked[:, -1] - ranked[:, -2]).max() <= 1e-4


def test_inputs_of_one_class_have_no_near_ties():
    assert near_ties(linear, np.ones((5, 4), np.float32)).shape == (0, 4)
