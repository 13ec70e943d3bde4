"""What is the user's fault, or the machine's, gets its sentence and its exit code, whichever verb meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import made
from tests.own_disk import on_own_disk
from tests.program import PROGRAM

ROOM = "Free some space, or raise the limit, and run the same command again; finished work is kept."


@pytest.mark.usefixtures("own_mounts")
@pytest.mark.parametrize("verb", ["verify", "export"])
@pytest.mark.parametrize("size", ["64k", "512k"])
def test_a_full_folder_for_temporary_files_is_named(verb: str, size: str, tmp_path: Path):
    made.linear(tmp_path / "m.onnx", (784,), width=300)
    (tmp_path / "full").mkdir()
    command = [PROGRAM, verb, "m.onnx"] if verb == "verify" else [PROGRAM, verb, "m.onnx", "--runs", tmp_path / "runs"]
    found = on_own_disk(f"size={size}", tmp_path / "full", command, tmp_path, TMPDIR=str(tmp_path / "full"))
    assert (found.code, found.stdout) == (8, "")
    *_, said = found.stderr.splitlines()
    assert said.startswith(f"error: {tmp_path / 'full'}: must have room on its disk (")
    assert said.endswith(f"bytes free). {ROOM}")
