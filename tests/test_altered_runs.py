"""One bit flipped in every kind of file below `runs/`, and every verb that may read it: refused, or as if nothing were.

    exit 4, or the exit code and the output of the run that nobody touched

never another result. What each said is printed as a table: `pytest -s tests/test_altered_runs.py`.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kdeploy import api
from kdeploy.errors import KdeployError
from tests.altered import flip
from tests.conftest import TinyRun
from tests.program import TINY, Outcome, inside, start

KINDS = (
    "tiny.json",
    "*/*/record.json",
    "samples/*/samples.json",
    "samples/*/inputs/*.npy",
    "samples/*/labels.npy",
    "samples/*/parts.npz",
    "teacher/*/teacher.safetensors",
    "teacher/*/*_logits.npy",
    "teacher/*/*.training.json",
    "labels/*/header.json",
    "labels/*/view-*/*.npy",
    "distill/*/*.safetensors",
    "distill/*/*_logits.npy",
    "distill/*/*-0.json",
    "export/*/*.onnx",
    "export/*/formats/*",
    "bench/*/bench.json",
    "bench/*/raw.jsonl.gz",
    "bench/*/*.npz",
    "bench/*/floor/*",
    "bundle/*/bundle/manifest.json",
    "bundle/*/bundle/*.onnx",
    "bundle/*/bundle/*.py",
    "bundle/*/bundle/*",
    "bundle/*/tiny.zip",
    "report/*/report.*",
    "report/*/decisions.json",
)
PLACES = (0.0, 0.37, 0.71, 1.0)  # of a file, from its first byte to its last
KEPT = "export/*|distill/*|samples/*|teacher/*|labels/*|verify/*|bench/*"  # what a bundle is made from


def _logits(runs: Path) -> Outcome:
    """The logits of every network, stored and computed, as `load_run` gives them."""
    try:
        run = api.load_run("tiny", runs=runs)
        networks = (run.teacher, *run.students, *run.baselines)
        arrays = [run.targets("test"), *(one.logits(part) for part in ("test", "held_out") for one in networks)]
    except KdeployError as exc:
        return Outcome(exc.exit_code, "", str(exc))
    return Outcome(0, " ".join(array.tobytes().hex() for array in arrays), "")


def _of_the_only(pattern: str, *words: str) -> Callable[[Path], Outcome]:
    """A verb about the one file or folder of a pattern."""

    def verb(runs: Path) -> Outcome:
        [path] = runs.glob(pattern)
        return inside(*words, path, "--json")

    return verb


def _of_run(*words: str) -> Callable[[Path], Outcome]:
    return lambda runs: inside(*words, "--runs", runs, "--json")


def _bundled_again(runs: Path) -> Outcome:
    """The bundle and the report of a run from which they were removed."""
    for stage in ("bundle", "report"):
        shutil.rmtree(runs / stage)
    return inside("run", "tiny", "--runs", runs, "--json")


VERBS: dict[str, tuple[str, Callable[[Path], Outcome]]] = {  # what it may read, and the verb
    "show": ("*", _of_run("show", "tiny")),
    "run": ("*", _of_run("run", "tiny")),
    "bundle": ("*", _of_run("bundle", "tiny")),
    "report": ("*", _of_run("report", "tiny")),
    "clean": ("*.json", _of_run("clean")),
    "load_run": ("*.json|samples/*|teacher/*|distill/*", _logits),
    "verify BUNDLE": ("bundle/*", _of_the_only("bundle/*/bundle", "verify")),
    "verify ZIP": ("bundle/*", _of_the_only("bundle/*/tiny.zip", "verify")),
    "bench recompute": ("bench/*", _of_the_only("bench/*", "bench", "recompute")),
    "bundle again": (KEPT, _bundled_again),
}


def _matches(path: str, patterns: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns.split("|"))


def _files(runs: Path, kind: str) -> list[str]:
    """The files of a kind, that are of no kind before it."""
    before = KINDS[: KINDS.index(kind)]
    paths = (path.relative_to(runs).as_posix() for path in sorted(runs.rglob("*")) if path.is_file())
    return [path for path in paths if fnmatch(path, kind) and not any(fnmatch(path, other) for other in before)]


def _said(runs: Path, scratch: Path, name: str, verb: Callable[[Path], Outcome]) -> Outcome:
    """What a verb says; one that changes the folder works in a copy, at the same place."""
    if name != "bundle again":
        return verb(runs)
    shutil.copytree(runs, scratch, symlinks=True)
    try:
        return verb(runs)
    finally:
        shutil.rmtree(runs)
        scratch.rename(runs)


@pytest.fixture(scope="module")
def whole(tiny: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Outcome]]:
    """A copy of a finished run, and what every verb says of it."""
    runs = tmp_path_factory.mktemp("altered") / "runs"
    shutil.copytree(tiny.runs, runs, symlinks=True)
    said = {name: _said(runs, runs.with_name("aside"), name, verb) for name, (_, verb) in VERBS.items()}
    assert {name: one.code for name, one in said.items()} == dict.fromkeys(VERBS, 0)
    return runs, said


def test_every_file_of_a_run_is_of_a_kind(tiny: TinyRun):
    files = [path.relative_to(tiny.runs).as_posix() for path in tiny.runs.rglob("*") if path.is_file()]
    kept = [path for path in files if not path.startswith((".work/", ".known/"))]  # with damage these are as none
    assert len(kept) > 40
    assert [path for path in kept if not any(fnmatch(path, kind) for kind in KINDS)] == []
    assert [kind for kind in KINDS if not _files(tiny.runs, kind)] == []


def _altered(whole: tuple[Path, dict[str, Outcome]], path: str, place: float, bit: int) -> dict[str, str]:
    """What each verb said of one flipped bit: `4`, `equal`, or what it must not."""
    runs, said = whole
    content = (runs / path).read_bytes()
    flip(runs / path, round(place * (len(content) - 1)), bit)
    row = {}
    try:
        for name, (reads, verb) in VERBS.items():
            if not _matches(path, reads):
                continue
            found = _said(runs, runs.with_name("aside"), name, verb)
            equal = (found.code, found.stdout) == (said[name].code, said[name].stdout)
            row[name] = "equal" if equal else "4" if found.code == 4 else f"{found.code}: {found.stderr[-200:]}"
    finally:
        (runs / path).write_bytes(content)
    sys.stdout.write(f"{path} at {place:.0%}: {', '.join(map(' '.join, row.items()))}\n")
    return row


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(whole, kind):
    draw = random.Random(kind)
    path = draw.choice(_files(whole[0], kind))
    row = _altered(whole, path, draw.choice(PLACES), draw.randrange(8))
    assert {name: result for name, result in row.items() if result not in ("4", "equal")} == {}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_so_does_one_in_every_file_at_several_places(whole, kind):
    draw = random.Random(f"{kind} long")
    rows = [_altered(whole, path, place, draw.randrange(8)) for path in _files(whole[0], kind) for place in PLACES]
    assert [row for row in rows if set(row.values()) - {"4", "equal"}] == []


@pytest.mark.slow
def test_a_training_goes_on_from_the_checkpoint_before_a_damaged_one_and_ends_with_the_same_bits(
    tiny: TinyRun, tmp_path: Path
):
    runs = tmp_path / "runs"
    process = start("label", TINY, "--runs", runs, KDEPLOY_CHECKPOINT_SECONDS="0.05")
    while not list(runs.glob(".work/teacher/*/teacher.checkpoint.before")) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    [before] = runs.glob(".work/teacher/*/teacher.checkpoint.before")  # it was killed in the training
    newest = before.with_suffix("")
    if not newest.exists():  # between the two renames of a new one
        before.rename(newest)
    shutil.copy(newest, before)
    flip(newest, -1)
    found = inside("label", TINY, "--runs", runs)
    assert found.code == 0, found.stderr
    assert f"{newest}: must be a checkpoint as it was written (sealed " in found.stderr.replace("\n", "")
    [weights], [expected] = (list(place.glob("teacher/*/teacher.safetensors")) for place in (runs, tiny.runs))
    assert weights.read_bytes() == expected.read_bytes()
    assert not list(weights.parent.glob("*.checkpoint*"))
