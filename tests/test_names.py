"""Names that are not UTF-8, wherever a command line takes one: it works, or it is refused by name; never our bug."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import TinyRun
from tests.program import TINY, inside, kdeploy

NAME = os.fsdecode(b"na\xefve")  # Latin-1, half of a surrogate pair to Python


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with such a name."""
    folder = tmp_path / NAME
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return folder


@pytest.mark.parametrize("as_json", [False, True])
def test_every_verb_says_what_it_cannot_do_with_such_a_name(odd: Path, tiny: TinyRun, as_json: bool):
    shutil.copy(TINY, odd / "tiny.yaml")
    [student] = tiny.runs.glob("export/*/student.onnx")
    [bundle] = tiny.runs.glob("bundle/*/bundle")
    shutil.copy(student, odd / "student.onnx")
    shutil.copytree(bundle, odd / "bundle")
    words = ["--json"] if as_json else []
    codes = {
        "plan": inside("plan", odd / "tiny.yaml", "--no-time", "--runs", odd.parent / "runs", *words),
        "run": inside("run", TINY, "--runs", odd / "runs", *words),
        "show RUN": inside("show", odd / "tiny.json", *words),
        "show MODEL": inside("show", odd / "student.onnx", *words),
        "verify": inside("verify", odd / "student.onnx", student, *words),
        "verify BUNDLE": inside("verify", odd / "bundle", *words),
        "export": inside("export", student, "--out", odd / "out", *words),
        "recipes": inside("recipes", "--folder", odd, *words),
        "clean": inside("clean", "--runs", odd / "none", *words),
    }
    assert {verb: found.code for verb, found in codes.items() if found.code not in (0, 2, 3, 4, 5, 8)} == {}
    assert [verb for verb, found in codes.items() if "Traceback" in found.stderr] == []
    if as_json:
        assert all(found.document for found in codes.values() if found.stdout)


def test_a_folder_of_runs_and_a_tmpdir_with_such_a_name_are_refused_by_name(odd: Path):
    found = kdeploy("run", TINY, "--runs", odd / "runs")
    assert found.code == 3
    assert "--runs: must be a folder with a name in UTF-8, as runtimes open files only there (" in found.stderr
    found = kdeploy("doctor", TMPDIR=str(odd))
    assert found.code == 3
    assert "TMPDIR: must be a folder with a name in UTF-8, as runtimes open files only there (" in found.stderr
