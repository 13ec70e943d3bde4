from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import IntegrityError
from kdeploy.samples import assemble
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.windows import Windows, taken
from tests.samples.test_sampleset import small_set

FRAMES = np.arange(20, dtype=np.float32).reshape(10, 2)
WINDOWS = Windows(FRAMES, np.array([0, 4, 7]), width=3)


def test_a_window_is_its_frames_side_by_side():
    assert WINDOWS.shape == (3, 6)
    assert (WINDOWS.ndim, WINDOWS.dtype, len(WINDOWS)) == (2, np.float32, 3)
    assert WINDOWS[np.array([2, 0])].tolist() == [[14, 15, 16, 17, 18, 19], [0, 1, 2, 3, 4, 5]]


@given(st.data(), st.integers(1, 4), st.integers(1, 3))
def test_windows_read_as_the_array_of_all_of_them(data: st.DataObject, width: int, values: int):
    frames = np.random.default_rng(0).normal(size=(data.draw(st.integers(width, 12)), values)).astype(np.float32)
    first = np.array(data.draw(st.lists(st.integers(0, len(frames) - width), max_size=8)), np.int64)
    windows = Windows(frames, first, width)
    whole = np.stack([frames[at : at + width].ravel() for at in first]) if len(first) else np.zeros(windows.shape)
    np.testing.assert_array_equal(np.asarray(windows), whole)
    rows = np.array(
        data.draw(st.lists(st.integers(0, max(0, len(first) - 1)), max_size=8 * bool(len(first)))), np.int64
    )
    np.testing.assert_array_equal(windows[rows], whole[rows])
    np.testing.assert_array_equal(np.asarray(windows.take(rows)), whole[rows])
    np.testing.assert_array_equal(windows[1:3], whole[1:3])


def test_what_is_taken_keeps_its_frames():
    some = taken(WINDOWS, np.array([1]), Room())
    assert isinstance(some, Windows)
    assert some.frames is FRAMES
    assert taken(FRAMES, np.array([1]), Room()).tolist() == [[2, 3]]


@pytest.mark.parametrize("first", [-1, 8])
def test_a_window_that_reaches_out_of_the_frames_is_refused(first: int):
    with pytest.raises(
        ValueError, match=rf"^windows of 3 over 10 frames begin from 0 to 7 \(got {first} to {first}\)$"
    ):
        Windows(FRAMES, np.array([first]), 3)


def test_shapes_that_are_no_windows_are_refused():
    with pytest.raises(ValueError, match=r"^windows of 0 at \(1,\) over frames \(10, 2\)$"):
        Windows(FRAMES, np.array([1]), 0)


def set_of_windows() -> SampleSet:
    windows = Windows(FRAMES, np.array([0, 1, 2, 3, 5, 7]), 3)
    return dataclasses.replace(small_set(), inputs={"speech": windows}, kinds={"speech": "array"}, where="set")


def test_a_set_of_windows_is_saved_as_frames_and_opened_as_windows(tmp_path: Path):
    record = set_of_windows().save(tmp_path)
    opened = SampleSet.open(tmp_path)
    assert opened.record == record
    assert record.inputs["speech"].model_dump() == {
        "kind": "array",
        "shape": (6,),
        "dtype": "float32",
        "window": 3,
    }
    windows = opened.inputs["speech"]
    assert isinstance(windows, Windows)
    assert isinstance(windows.frames, np.memmap)
    np.testing.assert_array_equal(np.asarray(windows), np.asarray(set_of_windows().inputs["speech"]))
    assert sorted(path.name for path in (tmp_path / "inputs").iterdir()) == ["speech.first.npy", "speech.npy"]
    assert np.load(tmp_path / "inputs" / "speech.npy").shape == (10, 2)


def test_windows_that_were_moved_are_altered_samples(tmp_path: Path):
    set_of_windows().save(tmp_path)
    first = tmp_path / "inputs" / "speech.first.npy"
    np.save(first, np.load(first)[::-1])
    with pytest.raises(IntegrityError, match=": must hold the samples that were saved in it "):
        SampleSet.open(tmp_path)


def test_the_hash_depends_on_frames_and_on_where_windows_begin():
    plain = set_of_windows()
    windows = plain.inputs["speech"]
    assert isinstance(windows, Windows)
    moved = Windows(windows.frames, windows.first[::-1], 3)
    louder = Windows(windows.frames * 2, windows.first, 3)
    others = [dataclasses.replace(plain, inputs={"speech": one}, where="set") for one in (moved, louder)]
    assert len({plain.sample_hash, *(one.sample_hash for one in others)}) == 3


def test_dropping_duplicates_keeps_windows_as_they_are_kept():
    parts = {
        "labeled": np.array([0]),
        "unlabeled": np.array([], np.int64),
        "held_out": np.array([1]),
        "test": np.array([2]),
    }
    piece = assemble.Piece({"speech": WINDOWS}, {"speech": "array"}, np.arange(3), parts)
    kept = assemble._kept(piece, {**parts, "held_out": np.array([], np.int64)}, Room())
    assert isinstance(kept.inputs["speech"], Windows)
    np.testing.assert_array_equal(np.asarray(kept.inputs["speech"]), WINDOWS[np.array([0, 2])])
