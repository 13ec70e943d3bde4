"""What is the user's fault, or the machine's, gets its sentence and its exit code, whichever verb meets it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import made
from tests.own_disk import on_own_disk
from tests.program import PROGRAM, Outcome

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


@pytest.mark.timeout(60, func_only=True)  # opening a FIFO would last for ever
@pytest.mark.parametrize("file", ["bench.json", "raw.jsonl.gz"])
@pytest.mark.parametrize("verb", ["recompute", "compare", "report"])
def test_a_fifo_in_place_of_a_file_of_a_benchmark_is_refused_at_once(
    verb: str, file: str, command: Callable[..., Outcome], runs: Path
):
    (bench,) = (runs / "bench").iterdir()
    _fifo(bench / file)
    words = {"recompute": ["bench", "recompute"], "compare": ["bench", "compare", bench], "report": ["report"]}[verb]
    found = command(*words, bench)
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr.startswith("error: ")


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("tiny.json", ["clean"]),
        ("distill/*/record.json", ["show", "tiny"]),
        ("export/*/student.onnx", ["run", "tiny", "--force", "verify"]),
    ],
)
def test_a_fifo_in_place_of_a_file_of_a_run_is_refused_at_once(
    pattern: str, words: list[str], command: Callable[..., Outcome], runs: Path
):
    (path,) = runs.glob(pattern)
    _fifo(path)
    found = command(*words, "--runs", runs)
    assert (found.code in {3, 4}, found.stdout) == (True, "")
    assert found.stderr.startswith(f"error: {path}: must be ")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
