from __future__ import annotations

import numpy as np
import pytest

from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.windows import Windows
from kdeploy.verbs.estimate.few import canonical_bytes, few

SIZES = {"labeled": 40, "unlabeled": 30, "held_out": 20, "test": 10}


def samples(chosen: np.ndarray | None = None) -> SampleSet:
    """A hundred samples, each with its number as its input, and parts one after the other."""
    ends = np.cumsum([0, *SIZES.values()])
    parts = {name: np.arange(start, end) for name, start, end in zip(SIZES, ends, ends[1:], strict=False)}
    labels = np.arange(100) % 5
    labels[parts["unlabeled"]] = -1
    return SampleSet(
        inputs={"x": np.arange(100, dtype=np.float32)[:, None]},
        labels=labels,
        parts=parts,
        class_names=tuple("abcde"),
        kinds={"x": "array"},
        chosen=chosen,
    )


def numbers(found: SampleSet, rows: np.ndarray) -> list[int]:
    return found.inputs["x"][rows][:, 0].astype(int).tolist()


def test_each_part_is_thinned_and_keeps_what_belongs_to_it():
    found = few(samples(), learned=4, evaluated=2)
    assert {name: len(part) for name, part in found.parts.items()} == {
        "labeled": 4,
        "unlabeled": 4,
        "held_out": 2,
        "test": 2,
    }
    assert numbers(found, found.parts["labeled"]) == [0, 10, 20, 30]
    assert numbers(found, found.parts["test"]) == [90, 95]
    assert found.labels[found.parts["labeled"]].tolist() == [0, 0, 0, 0]
    assert (found.labels[found.parts["unlabeled"]] == -1).all()


def test_a_part_that_is_small_stays_whole():
    found = few(samples(), learned=1000, evaluated=1000)
    assert found.sample_hash == samples().sample_hash


def test_a_chosen_transfer_set_is_thinned_and_is_in_the_parts():
    found = few(samples(chosen=np.array([1, 3, 5, 41, 43])), learned=3, evaluated=1)
    assert numbers(found, found.transfer)[:2] == [1, 3]
    assert set(found.transfer) <= set(found.training)


@pytest.mark.parametrize("windows", [True, False])
def test_bytes_are_those_on_the_disk(windows: bool):
    whole = samples()
    frames = Windows(np.zeros((102, 4), np.float32), np.arange(100), 3)
    if windows:
        whole = SampleSet({"x": frames}, whole.labels, whole.parts, whole.class_names, whole.kinds, chosen=None)
    assert canonical_bytes(whole) == 100 * 8 + (102 * 4 * 4 if windows else 100 * 4)
