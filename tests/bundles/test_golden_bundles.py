"""The bundles of every version that was released verify for ever, and say what they said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import kdeploy
from kdeploy.bundles.verify import verify
from tests.bundles.conftest import run_program
from tests.bundles.make_golden import GOLDEN, answers

VERSIONS = sorted(path.name for path in GOLDEN.iterdir())


def test_there_are_golden_bundles_of_this_version():
    assert kdeploy.__version__ in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_bundle_verifies_by_kdeploy_and_by_itself(version: str, tmp_path: Path):
    archives = sorted((GOLDEN / version).glob("*.zip"))
    assert len(archives) > 1
    for archive in archives:
        assert verify(archive).samples > 0
        shutil.unpack_archive(archive, tmp_path / archive.stem)
        [bundle] = (tmp_path / archive.stem).iterdir()
        done = run_program(bundle, "verify.py")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_bundle_says_what_it_said(version: str, tmp_path: Path):
    shutil.unpack_archive(GOLDEN / version / "plain.zip", tmp_path)
    [bundle] = tmp_path.iterdir()
    found = answers(bundle, GOLDEN / version)
    expected = json.loads((GOLDEN / version / "answers.json").read_bytes())
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
