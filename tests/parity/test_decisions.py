from __future__ import annotations

import numpy as np

from kdeploy.outputs.classes import CLASSES
from kdeploy.parity.compare import compare
from kdeploy.parity.oracle import Oracle


def test_of_several_logits_the_largest_decides_by_its_distance_from_the_second():
    logits = np.array([[1.0, 4.0, 2.5], [0.5, -1.0, -0.25]])
    assert CLASSES.decided(logits).tolist() == [1, 0]
    assert CLASSES.margins(logits).tolist() == [1.5, 0.75]


def test_one_logit_decides_by_its_sign_and_its_distance_from_0():
    logits = np.array([[2.0], [-0.5], [0.0]])
    assert CLASSES.decided(logits).tolist() == [1, 0, 0]
    assert CLASSES.margins(logits).tolist() == [2.0, 0.5, 0.0]


def test_a_logit_of_another_sign_is_a_disagreement_and_no_flip_as_the_error_is_never_less_than_the_margin():
    oracle = Oracle(np.array([[1.0], [-1.0], [0.0001]]), 1e-7)
    row = compare(oracle, np.array([[1.0], [1.0], [-0.0001]]), model="m", runtime="r", batches=(3,))
    assert (row.agreement, row.flips) == (1 / 3, 0)  # the error of 2.0 is larger than the margin of 1.0
    row = compare(oracle, np.array([[1.0], [-1.0], [-0.00005]]), model="m", runtime="r", batches=(3,))
    assert (row.agreement, row.flips, row.worst_input) == (2 / 3, 0, 2)
