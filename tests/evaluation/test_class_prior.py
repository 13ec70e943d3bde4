from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.evaluation.class_prior import class_prior, matching_bias


def logits(seed: int, inputs: int = 200, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (inputs, classes)).astype(np.float32)


def test_the_prior_is_the_mean_probability():
    found = class_prior(np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)))
    assert found == pytest.approx([0.375, 0.625], abs=1e-7)


@given(seed=st.integers(0, 1000))
def test_the_bias_gives_the_prior_that_was_asked_for(seed: int):
    found, prior = logits(seed), class_prior(logits(seed + 1))
    bias = matching_bias(found, prior)
    assert class_prior(found + bias) == pytest.approx(prior, abs=2e-6)
    assert bias.mean() == pytest.approx(0, abs=1e-12)


@given(seed=st.integers(0, 1000), shift=st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_a_shift_of_the_logits_is_undone(seed: int, shift: list[float]):
    found, moved = logits(seed), np.array(shift)
    bias = matching_bias(found + moved, class_prior(found))
    # 1e-6 of a probability moves a logit by no more than a thousandth here
    assert bias == pytest.approx(moved.mean() - moved, abs=1e-3)


def test_logits_with_the_prior_already_stay_as_they_are():
    found = logits(5)
    assert matching_bias(found, class_prior(found)) == pytest.approx(np.zeros(4), abs=1e-12)


def test_a_class_that_was_never_seen_gets_its_share_again():
    found = logits(7)
    starved = found - np.array([0, 0, 12, 0], np.float32)
    assert (starved.argmax(1) == 2).mean() < 0.01
    repaired = starved + matching_bias(starved, class_prior(found))
    assert (repaired.argmax(1) == found.argmax(1)).all()
