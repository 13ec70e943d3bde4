from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.errors import InputError
from kdeploy.runtimes import regular_file


def test_a_regular_file_is_read(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert (regular_file.read(tmp_path / "file"), regular_file.read(tmp_path / "link")) == (b"abc", b"abc")


@pytest.mark.timeout(20)  # opening a FIFO would last for ever
@pytest.mark.parametrize("take", [regular_file.opened, regular_file.read, regular_file.check])
def test_what_is_no_regular_file_is_refused_at_once(take, tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, what in {"fifo": "a FIFO", "zero": "a device", ".": "a folder"}.items():
        with pytest.raises(InputError) as caught:
            take(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: must be a regular file ({what})."


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        regular_file.opened(tmp_path / "nothing")
