"""The transfer set by class: chosen by true labels, which stay hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import load
from kdeploy.samples.transfer_set import EVERYTHING, Choice

NAMES = ("ant", "bee", "cat")
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
PARTS = {
    "labeled": np.array([0, 1, 2]),
    "unlabeled": np.array([3, 4, 5]),
    "held_out": np.array([6]),
    "test": np.array([7]),
}


def rows(labels: np.ndarray = LABELS, **asked: tuple[str, ...]) -> list[int] | None:
    found = Choice(**asked).rows(labels, PARTS, NAMES)
    return None if found is None else found.tolist()


def refused(labels: np.ndarray = LABELS, names: tuple[str, ...] = NAMES, **asked: tuple[str, ...]) -> str:
    with pytest.raises(DataError) as caught:
        Choice(**asked).rows(labels, PARTS, names)
    return str(caught.value)


def divided(folder: Path, labels: np.ndarray, transfer: dict[str, list[str]] | None, **split: Any) -> SampleSet:
    inputs = np.random.default_rng(0).normal(size=(len(labels), 2))
    np.savez(folder / "data.npz", x=inputs, y=labels, classes=np.array(NAMES))
    return load({"numpy": str(folder / "data.npz")}, split=split, transfer=transfer)


def test_nothing_asked_chooses_nothing():
    assert Choice.of({}) == EVERYTHING
    assert rows() is None


def test_only_some_classes_of_the_labelled_and_the_unlabelled_part():
    assert rows(only=("bee",)) == [1, 4]
    assert rows(only=("ant", "cat")) == [0, 2, 3, 5]


def test_all_but_some_classes():
    assert rows(without=("bee",)) == [0, 2, 3, 5]


@given(st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_only_some_and_without_the_others_are_the_same(names: set[str]):
    others = tuple(set(NAMES) - names)
    assert rows(only=tuple(names)) == rows(without=others)


def test_a_class_may_be_given_by_its_number_and_a_name_goes_before_a_number():
    assert rows(only=("2",)) == [2, 5]
    found = Choice(only=("2",)).rows(LABELS, PARTS, ("2", "1", "0"))
    assert found is not None
    assert found.tolist() == [0, 3]


@pytest.mark.parametrize("name", ["3", "-1", "wasp", "9" * 5000])
def test_an_unknown_class_is_refused(name: str):
    assert refused(only=(name,)) == f"data.transfer.only: must name a class, or its number: ant, bee, cat ({name})."


def test_many_known_classes_are_not_all_listed():
    names = tuple(f"n{number}" for number in range(30))
    listed = ", ".join(names[:20])
    assert refused(names=names, without=("x",)) == (
        f"data.transfer.without: must name a class, or its number: {listed}, ... (x)."
    )


def test_samples_of_no_known_class_cannot_be_chosen():
    unknown = np.where(np.arange(8) == 4, -1, LABELS)
    assert refused(unknown, only=("bee",)) == (
        "data.transfer: must choose among samples whose class the source knows (1 without a label). "
        "Leave data.transfer out, or set data.split.unlabeled to 0."
    )


def test_a_transfer_set_without_a_labelled_sample_is_refused():
    labels = np.array([0, 1, 0, 2, 2, 2, 0, 1])
    assert refused(labels, only=("cat",)) == (
        "data.transfer: must leave at least 1 labelled sample (0). Choose other classes, or raise data.split.labeled."
    )


def test_a_loaded_set_hides_the_labels_it_was_chosen_by(tmp_path: Path):
    labels = np.arange(60) % 3
    split = {"labeled": 12, "held_out": 6, "test": 12}
    everything = divided(tmp_path, labels, None, **split)
    chosen = divided(tmp_path, labels, {"without": ["bee"]}, **split)
    assert (len(everything.transfer), len(chosen.transfer), len(chosen.training)) == (42, 28, 42)
    assert (chosen.labels[chosen.parts["unlabeled"]] == -1).all()
    assert len(chosen) == len(labels)  # every row is in a part, so that indices are rows of the file
    assert set(labels[chosen.transfer].tolist()) == {0, 2}
    for name, part in everything.parts.items():
        np.testing.assert_array_equal(chosen.parts[name], part)
