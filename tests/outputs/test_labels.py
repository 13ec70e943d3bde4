from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.outputs.labels import LABELS


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def test_average_precision_of_a_worked_example():
    # by score: yes, no, yes, no; precision 1 at the first, 2/3 at the second
    assert LABELS.quality(column(0.9, 0.5, 0.4, 0.1), column(1, 0, 1, 0)) == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_in_no_order():
    assert LABELS.quality(column(1, 1, 1, 1), column(1, 0, 0, 0)) == pytest.approx(0.25)
    assert LABELS.quality(column(1, 1, 1, 1), column(0, 0, 0, 1)) == pytest.approx(0.25)


def test_it_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    draws = np.random.default_rng(0)
    scores = draws.normal(size=(200, 5)).round(1).astype(np.float32)  # with equal ones
    targets = (scores + 2 * draws.normal(size=scores.shape) > 1).astype(np.float32)
    assert LABELS.quality(scores, targets) == pytest.approx(metrics.average_precision_score(targets, scores))
    assert LABELS.others(scores, targets)["micro-F1"] == pytest.approx(
        metrics.f1_score(targets, scores > 0, average="micro")
    )


def test_a_label_that_no_sample_has_does_not_count():
    scores = np.array([[3.0, 1.0], [-1.0, 2.0]], np.float32)
    assert LABELS.quality(scores, np.array([[1.0, 0.0], [0.0, 0.0]], np.float32)) == 1.0


def test_anything_but_0_and_1_is_refused():
    with pytest.raises(DataError) as caught:
        LABELS.check(column(0, 1, 0.5), 1, "data.npz: y", every=False)
    assert str(caught.value) == (
        "data.npz: y: row 2: must have 0 or 1 for each label, or NaN where it is not known (0.5)."
    )
