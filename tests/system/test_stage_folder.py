"""The folders of stages: what is finished is whole, what is removed is never seen in part."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kdeploy.system.files import TEMPORARY, hash_file
from kdeploy.system.stage_folder import StageFolders, clear, digests


@pytest.fixture
def folders(tmp_path: Path) -> StageFolders:
    """A stage that is finished, with two files."""
    folders = StageFolders(tmp_path)
    with folders.work("labels", "ab") as work:
        (work / "view-0").mkdir()
        (work / "view-0" / "rows.npy").write_bytes(b"1")
        (work / "header.json").write_bytes(b"2")
        folders.finish("labels", "ab")
    return folders


def test_every_file_has_its_digest_but_those_apart(folders):
    folder = folders.folder("labels", "ab")
    assert list(digests(folder, "")) == ["header.json", "view-0/rows.npy"]
    [(name, one)] = digests(folder, "view-*/*").items()
    assert (name, one.sha256, one.bytes) == ("header.json", hash_file(folder / "header.json"), 1)


def test_a_removal_that_is_killed_leaves_no_part_of_a_stage(folders, monkeypatch):
    monkeypatch.setattr(shutil, "rmtree", lambda *_arguments, **_named: None)
    folders.remove("labels", "ab")
    assert not folders.folder("labels", "ab").exists()


def test_unfinished_work_from_other_sources_is_thrown_away(folders):
    for sources, kept in (("one", False), ("one", True), ("other", False)):
        with folders.work("labels", "cd") as work:
            folders.work_from("labels", "cd", sources)
            assert (work / "block").exists() == kept
            (work / "block").touch()


def test_what_a_killed_commit_left_is_cleared(tmp_path):
    (tmp_path / "part").mkdir()
    for name in ("record.json", f"{TEMPORARY}1", f"part/{TEMPORARY}2", "part/kept"):
        (tmp_path / name).touch()
    clear(tmp_path, "record.json")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["part", "part/kept"]
