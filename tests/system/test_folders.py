from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.errors import InputError
from kdeploy.system.folders import must_be_folder


def test_a_folder_may_be_there_or_not_or_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to(".")
    accepted = [Path(), Path("link"), Path("nothing"), Path("nothing/below")]
    assert [must_be_folder(path, "--runs") for path in accepted] == [None] * 4


def test_what_else_is_there_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    for name, what in {"file": "a file", "fifo": "a FIFO"}.items():
        with pytest.raises(InputError) as caught:
            must_be_folder(tmp_path / name, "--runs")
        assert str(caught.value) == f"--runs: must be a folder, or not there yet ({tmp_path / name} is {what})."
