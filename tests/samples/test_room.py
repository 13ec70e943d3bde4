"""Room for arrays: in memory or in a file without a name, within a limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ResourceError
from kdeploy.samples import room
from kdeploy.samples.room import Room, pieces


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IN_MEMORY", 1000)
    monkeypatch.setattr(room, "_PIECE_BYTES", 64)


def test_a_large_array_is_a_file_without_a_name(tmp_path: Path, small: None):
    large = Room(tmp_path).array((100, 11), np.uint8, "data", "")
    assert isinstance(large, np.memmap)
    assert (large == 0).all()
    large[:] = 7
    assert (large == 7).all()
    assert list(tmp_path.iterdir()) == []
    assert type(Room(tmp_path).array((100, 10), np.uint8, "data", "")) is np.ndarray


def test_rows_of_several_arrays_are_put_together(tmp_path: Path, small: None):
    first, second = np.arange(600).reshape(300, 2), np.arange(300).reshape(150, 2)
    rows, others = np.arange(0, 300, 3), np.array([0, 149])
    found = Room(tmp_path).joined([(first, rows), (second, others)], np.float32, "data")
    assert isinstance(found, np.memmap) == (found.nbytes > 1000)
    np.testing.assert_array_equal(found, np.concatenate([first[rows], second[others]]))
    assert found.dtype == np.float32


def test_beyond_the_limit_is_refused_before_room_is_made(tmp_path: Path):
    with pytest.raises(ResourceError) as caught:
        Room(tmp_path, limit=10).array((11,), np.uint8, "data", "Do less.")
    assert str(caught.value) == "data: must decode to at most 10 bytes (11). Do less."


def test_the_limit_is_what_the_disk_has_left(tmp_path: Path):
    with pytest.raises(ResourceError) as caught:
        Room(tmp_path).array((1 << 50,), np.uint8, "data", "")
    assert str(caught.value).startswith("data: must decode to at most ")
    assert 1 << 20 < Room(tmp_path).limit_bytes < 1 << 50


def test_pieces_cover_all_rows_and_are_no_smaller_than_one(small: None):
    assert [(one.start, one.stop) for one in pieces(10, 16)] == [(0, 4), (4, 8), (8, 10)]
    assert [(one.start, one.stop) for one in pieces(2, 1000)] == [(0, 1), (1, 2)]
    assert list(pieces(0, 8)) == []
