from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.samples.split import PARTS, Counts, compact, divide, hide, order_of, stratified_order

LABELS = np.repeat(np.arange(4), 25)


def some_labels(lowest: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.integers(lowest, 4), min_size=1, max_size=80).map(lambda values: np.array(values, np.int64))


@given(some_labels(lowest=-1), st.integers(0, 2**64))
def test_parts_are_disjoint_sorted_and_by_default_hold_every_row(labels: np.ndarray, seed: int):
    parts = divide(labels, Counts(), seed=seed, where="data")
    assert tuple(parts) == PARTS
    assert all((np.diff(part) > 0).all() for part in parts.values())
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))


@given(some_labels(lowest=-1), st.integers(0, 100))
def test_rows_without_a_label_are_in_the_unlabelled_part_only_unless_all_are(labels: np.ndarray, seed: int):
    parts = divide(labels, Counts(), seed=seed, where="data")
    for name in ("labeled", "held_out", "test") if (labels >= 0).any() else ():
        assert (labels[parts[name]] >= 0).all()
    if not (labels >= 0).any():
        assert (len(parts["labeled"]), len(parts["test"])) == (0, len(labels) // 5)


@given(some_labels(lowest=0), st.integers(0, 100), st.data())
def test_every_slice_of_the_order_holds_each_class_in_proportion(labels: np.ndarray, seed: int, data: st.DataObject):
    order = stratified_order(labels, np.arange(len(labels)), seed)
    end = data.draw(st.integers(0, len(labels)))
    for label in np.unique(labels):
        expected = end * (labels == label).mean()
        assert abs((labels[order[:end]] == label).sum() - expected) < len(np.unique(labels))
    assert sorted(order) == list(range(len(labels)))


def test_the_only_row_of_a_class_stands_in_the_middle():
    labels = np.array([0] + [1] * 99)
    order = stratified_order(labels, np.arange(100), seed=0)
    assert order.tolist().index(0) in (49, 50)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_classes_are_divided_equally(seed: int):
    counts = Counts(labeled=20, unlabeled=40, held_out=8, test=24)
    parts = divide(LABELS, counts, seed=seed, where="data")
    assert {name: np.bincount(LABELS[part]).tolist() for name, part in parts.items()} == {
        "labeled": [5] * 4,
        "unlabeled": [10] * 4,
        "held_out": [2] * 4,
        "test": [6] * 4,
    }


def test_the_division_of_a_seed_never_changes():
    parts = divide(LABELS, Counts(labeled=20, unlabeled=40, held_out=8, test=24), seed=0, where="data")
    joined = " ".join(str(row) for name in PARTS for row in parts[name])
    assert hashlib.sha256(joined.encode()).hexdigest()[:16] == "fddcf6d654b89854"


def test_another_seed_divides_otherwise():
    first, second = (divide(LABELS, Counts(), seed=seed, where="data") for seed in (0, 1))
    assert first["test"].tolist() != second["test"].tolist()


def test_more_labels_leave_the_test_part_alone_and_keep_the_old_ones():
    small = divide(LABELS, Counts(labeled=8, test=20), seed=3, where="data")
    large = divide(LABELS, Counts(labeled=40, test=20), seed=3, where="data")
    assert small["test"].tolist() == large["test"].tolist()
    assert small["held_out"].tolist() == large["held_out"].tolist()
    assert set(small["labeled"]) < set(large["labeled"])


def test_the_sources_own_test_rows_are_the_test_part():
    parts = divide(LABELS, Counts(), seed=0, where="data", first_test=60)
    assert parts["test"].tolist() == list(range(60, 100))
    assert {name: len(part) for name, part in parts.items()} == {
        "labeled": 6,
        "unlabeled": 53,
        "held_out": 1,
        "test": 40,
    }


def test_where_some_rows_have_no_label_all_that_have_one_are_labelled():
    labels = np.concatenate([LABELS, np.full(50, -1)])
    parts = divide(labels, Counts(), seed=0, where="data")
    assert parts["unlabeled"].tolist() == list(range(100, 150))
    assert len(parts["labeled"]) == 79
    few = divide(labels, Counts(labeled=10, unlabeled=50), seed=0, where="data")
    assert few["unlabeled"].tolist() == list(range(100, 150))


@given(st.data(), st.integers(0, 100), st.booleans())
def test_a_group_of_the_test_or_the_held_out_part_is_in_no_other(data: st.DataObject, seed: int, own_test: bool):
    groups = np.array(data.draw(st.lists(st.integers(0, 9), min_size=20, max_size=80)), np.int64)
    labels = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(groups), max_size=len(groups))), np.int64)
    first_test = len(groups) // 2 if own_test else None
    parts = divide(labels, Counts(), seed=seed, where="data", first_test=first_test, groups=groups)
    found = {name: set(groups[rows].tolist()) for name, rows in parts.items()}
    training = found["labeled"] | found["unlabeled"]
    assert not found["test"] & (training | found["held_out"])
    assert not found["held_out"] & training


def test_groups_are_shuffled_and_their_rows_kept_together():
    groups = np.arange(100) // 10
    order = order_of(LABELS, np.arange(100), 0, groups)
    assert groups[order].tolist() == np.repeat(groups[order][::10], 10).tolist()
    assert groups[order][::10].tolist() != list(range(10))
    assert (np.diff(order.reshape(10, 10)) == 1).all()


def test_too_large_a_part_is_refused():
    with pytest.raises(DataError) as caught:
        divide(LABELS, Counts(test=50, held_out=10, labeled=41), seed=0, where="x.npz")
    assert str(caught.value) == (
        "x.npz: split.labeled: must leave at least 41 samples for this part (40). Ask for fewer samples."
    )


def test_an_unknown_part_is_refused():
    with pytest.raises(DataError) as caught:
        Counts.of({"train": 5}, where="mnist-5k")
    assert str(caught.value) == (
        "mnist-5k: split: must name only the parts labeled, unlabeled, held_out, test (train)."
    )


def test_a_negative_count_is_refused():
    with pytest.raises(DataError) as caught:
        Counts.of({"test": -1}, where="mnist-5k")
    assert str(caught.value) == "mnist-5k: split.test: must be at least 0 (-1)."


def test_counts_left_out_take_the_defaults():
    assert Counts(labeled=0).over(Counts(labeled=5, test=6)) == Counts(labeled=0, test=6)


def test_compact_keeps_the_rows_that_some_part_takes():
    rows, parts = compact({"labeled": np.array([8]), "test": np.array([2, 9])})
    assert rows.tolist() == [2, 8, 9]
    assert {name: part.tolist() for name, part in parts.items()} == {"labeled": [1], "test": [0, 2]}


def test_hide_takes_the_unlabelled_labels_away_and_leaves_its_argument_alone():
    labels = np.array([3, 4, 5])
    assert hide(labels, {"unlabeled": np.array([1])}).tolist() == [3, -1, 5]
    assert labels.tolist() == [3, 4, 5]
