"""What is the user's fault, or the machine's, gets its sentence and its exit code, whichever verb meets it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import made
from tests.own_disk import on_own_disk
from tests.program import PROGRAM, Outcome, outcome

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
    *_, said = found.stderr.splitlines()
    assert said.startswith(f"error: {path}: must be ")


@pytest.mark.parametrize("program", [[PROGRAM], [sys.executable, "-m", "kdeploy"]], ids=["script", "module"])
@pytest.mark.parametrize("words", [["plan", "tiny"], ["clean"], ["verify", "m.onnx"]])
def test_a_working_folder_that_was_removed_is_named(program: list[str | Path], words: list[str], tmp_path: Path):
    (tmp_path / "gone").mkdir()
    found = outcome(["sh", "-c", 'rmdir "$0" && exec "$@"', tmp_path / "gone", *program, *words], tmp_path / "gone")
    must = "must be there (No such file or directory). Change to another folder, and run the same command again."
    assert found == (3, "", f"error: the working folder: {must}\n")


RUNS_OF = [["plan", "tiny"], ["run", "tiny"], ["show", "tiny"], ["clean"], ["report", "tiny"], ["bundle", "tiny"]]


@pytest.mark.parametrize("words", RUNS_OF, ids=[words[0] for words in RUNS_OF])
def test_a_file_in_place_of_the_folder_of_all_work_is_refused(
    words: list[str], command: Callable[..., Outcome], tmp_path: Path
):
    (tmp_path / "file").write_text("mine")
    found = command(*words, "--runs", tmp_path / "file")
    expected = f"error: --runs: must be a folder, or not there yet ({tmp_path / 'file'} is a file).\n"
    assert found == (3, "", expected)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_in_place_of_the_folder_of_data_is_refused(command: Callable[..., Outcome], tmp_path: Path):
    (tmp_path / "file").touch()
    found = command("plan", "tiny", "--data-root", tmp_path / "file", "--runs", tmp_path / "runs")
    expected = f"error: --data-root: must be a folder, or not there yet ({tmp_path / 'file'} is a file).\n"
    assert found == (3, "", expected)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SURROUNDINGS = {
    "no home": {"HOME": "/nonexistent"},
    "narrow": {"COLUMNS": "1"},
    "wide": {"COLUMNS": "10000"},
    "no width": {"COLUMNS": "junk"},
    "plain": {"TERM": "dumb", "NO_COLOR": "1", "LANG": "C", "LC_ALL": "C"},
    "threads": {"OMP_NUM_THREADS": "junk", "MKL_NUM_THREADS": "-1"},
    "path": {"PYTHONPATH": "/nonexistent:junk::"},
}


@pytest.mark.parametrize("changes", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_a_verb_answers_whatever_is_around_it(changes: dict[str, str], tmp_path: Path):
    found = outcome([PROGRAM, "plan", "tiny", "--no-time", "--runs", "runs", "--json"], tmp_path, **changes)
    assert (found.code, found.document["name"]) == (0, "tiny")
    missing = outcome([PROGRAM, "plan", "none.yaml"], tmp_path, **changes)
    assert (missing.code, missing.stdout) == (3, "")
    *_, said = missing.stderr.splitlines()  # in front of it libgomp may complain of its variable
    assert said.startswith("error: none.yaml: must be a recipe file (there is no such file).")


def test_too_few_files_to_open_are_a_resource(tmp_path: Path):
    made.linear(tmp_path / "m.onnx", (4,))
    found = outcome(["sh", "-c", 'ulimit -n 8 && exec "$@"', "sh", PROGRAM, "show", "m.onnx"], tmp_path)
    must = "must be able to do what is asked of it (Too many open files)"
    assert found == (8, "", f"error: this machine: {must}.\n")


@pytest.mark.parametrize(("mask", "mode"), [("077", 0o600), ("022", 0o644)])
def test_files_are_for_whom_the_umask_says(mask: str, mode: int, tmp_path: Path):
    made.linear(tmp_path / "m.onnx", (4,))
    export = [PROGRAM, "export", "m.onnx", "--runs", "runs", "--out", "out"]
    found = outcome(["sh", "-c", f'umask {mask} && exec "$@"', "sh", *export], tmp_path)
    assert found.code == 0, found.stderr
    written = [path for name in ("runs", "out") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert written
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in written} == {path.name: mode for path in written}
