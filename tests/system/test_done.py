"""A piece of a stage is done when its file says so and what it made is as it was written."""

from __future__ import annotations

import pytest

from kdeploy.errors import IntegrityError
from kdeploy.records.teacher import Training
from kdeploy.system.done import read_done, write_done
from tests.altered import flip

RESULT = Training(steps=3, final_loss=0.5, duration_ns=7)


def test_a_piece_is_done_when_its_file_is_there(tmp_path):
    (tmp_path / "weights").write_bytes(b"abc")
    path = tmp_path / "a.json"
    assert read_done(path, Training, "") is None
    write_done(path, RESULT, [tmp_path / "weights"])
    assert read_done(path, Training, "") == RESULT


@pytest.mark.parametrize("name", ["a.json", "weights"])
def test_a_piece_that_was_altered_is_not_gone_on_from(tmp_path, name):
    (tmp_path / "weights").write_bytes(b"abc")
    write_done(tmp_path / "a.json", RESULT, [tmp_path / "weights"])
    flip(tmp_path / name, 1)
    with pytest.raises(IntegrityError) as caught:
        read_done(tmp_path / "a.json", Training, "Again.")
    assert (caught.value.where, caught.value.advice) == (str(tmp_path / name), "Again.")
