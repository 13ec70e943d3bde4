from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.records.samples import DuplicatesInfo, Overlap
from kdeploy.samples.duplicates import find
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import load

PARTS = np.array(["labeled"] * 4 + ["unlabeled"] * 4 + ["held_out"] * 2 + ["test"] * 3)
VALUES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 6, 9]  # 1 is labelled, 6 unlabelled, 9 held out


def divided(folder: Path, values: list[int] = VALUES, **options: Any) -> SampleSet:
    x = np.stack([np.array(values), np.arange(len(values)) * 0], axis=1).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=np.arange(len(values)) % 2, part=PARTS)
    return load({"numpy": str(folder / "data.npz")}, **options)


def first_column(samples: SampleSet, part: str) -> list[float]:
    return samples.inputs["x"][samples.parts[part], 0].tolist()


def test_what_is_in_the_test_part_too_is_counted_and_left_alone(tmp_path: Path):
    samples = divided(tmp_path)
    assert samples.record.duplicates == DuplicatesInfo(
        transfer=Overlap(count=2, first=(1, 6)), held_out=Overlap(count=1, first=(9,)), dropped=False
    )
    assert len(samples) == 13


def test_drop_takes_them_out_of_the_transfer_set_only(tmp_path: Path):
    samples = divided(tmp_path, duplicates="drop")
    assert first_column(samples, "labeled") == [0, 2, 3]
    assert first_column(samples, "unlabeled") == [4, 5, 7]
    assert (first_column(samples, "held_out"), first_column(samples, "test")) == ([8, 9], [1, 6, 9])
    assert samples.labels.tolist() == [0, 0, 1, -1, -1, -1, 0, 1, 0, 1, 0]
    assert samples.record.duplicates is not None
    assert samples.record.duplicates.transfer == Overlap(count=2, first=(1, 6))


def test_without_duplicates_drop_and_error_change_nothing(tmp_path: Path):
    plain = divided(tmp_path, list(range(13)))
    for policy in ("drop", "error"):
        same = divided(tmp_path, list(range(13)), duplicates=policy)
        assert same.sample_hash == plain.sample_hash
    assert plain.record.duplicates is not None
    assert plain.record.duplicates.sentence == ""


def test_an_error_names_the_first_of_them(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        divided(tmp_path, duplicates="error")
    assert str(caught.value) == (
        "data: must have no sample of the test part in another part "
        "(2 of the transfer set, first 1, 6; 1 of the held-out part, first 9). "
        "Set data.duplicates to drop, or to report."
    )


def test_a_labelled_part_that_is_all_in_the_test_part_cannot_be_dropped(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        divided(tmp_path, [1, 1, 1, 1, *VALUES[4:]], duplicates="drop")
    assert str(caught.value) == (
        "data: must leave at least 1 labelled sample that is not in the test part (0). Set data.duplicates to report."
    )


def test_the_line_for_people_says_what_was_done_or_what_to_do(tmp_path: Path):
    reported, dropped = divided(tmp_path).duplicates, divided(tmp_path, duplicates="drop").duplicates
    assert reported is not None
    assert dropped is not None
    counted = (
        "samples that are in the test part too: 2 of the transfer set, first 1, 6; 1 of the held-out part, first 9"
    )
    assert reported.sentence == f"{counted} (data.duplicates: drop takes them out of it)"
    assert dropped.sentence == f"{counted} (those of the transfer set were dropped)"


def test_all_inputs_of_a_sample_count():
    inputs = {"a": np.array([[1], [1], [1]], np.uint8), "b": np.array([[1.0], [2.0], [1.0]], np.float32)}
    empty = np.array([], np.int64)
    parts = {"labeled": np.array([0, 1]), "unlabeled": empty, "held_out": empty, "test": np.array([2])}
    assert find(inputs, parts)["transfer"].tolist() == [0]


@given(st.lists(st.integers(0, 12), min_size=13, max_size=13))
def test_they_are_those_that_a_comparison_of_all_pairs_finds(values: list[int]):
    parts = {name: np.flatnonzero(name == PARTS) for name in ("labeled", "unlabeled", "held_out", "test")}
    found = find({"x": np.array(values, np.float32)[:, None]}, parts)
    test = {values[row] for row in parts["test"]}
    assert found["transfer"].tolist() == [row for row in range(8) if values[row] in test]
    assert found["held_out"].tolist() == [row for row in (8, 9) if values[row] in test]
