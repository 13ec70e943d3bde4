"""Programs are not looked for in the working folder, whatever PATH says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kdeploy.system.search_path import leave_out_working_folder


@pytest.mark.parametrize(("before", "after"), [(":.:/a:b", "/a"), ("", os.defpath), (".", os.defpath), ("/a", "/a")])
def test_entries_that_are_not_absolute_are_left_out(monkeypatch, before, after):
    monkeypatch.setenv("PATH", before)
    leave_out_working_folder()
    assert os.environ["PATH"] == after


def test_a_compiler_in_the_working_folder_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "c++").write_text("#!/bin/sh\n")
    (tmp_path / "c++").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ":/nowhere")
    assert shutil.which("c++") is not None
    leave_out_working_folder()
    assert shutil.which("c++") is None


def test_a_process_without_a_path_gets_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PATH")
    leave_out_working_folder()
    assert "PATH" not in os.environ
