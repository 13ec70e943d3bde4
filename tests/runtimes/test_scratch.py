"""Private folders: removed at the end, swept when their process was killed, and never named in a message."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy.errors import ModelError, RecipeError
from kdeploy.runtimes import scratch
from kdeploy.runtimes.scratch import scratch_folder, standing_for, sweep

WORK = """
import sys
from kdeploy.runtimes.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "half").write_text("x")
    print(folder.parent, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR of this process and of its children."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    scratch._sweep_once.cache_clear()
    return folder


@pytest.fixture
def worker(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process at work in a private folder, and that folder."""
    command = [sys.executable, "-P", "-c", WORK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_private_folder_is_gone_at_the_end(temporary: Path) -> None:
    with scratch_folder() as folder:
        (folder / "inner").mkdir()
        assert folder.is_relative_to(temporary)
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_swept_by_the_next_that_makes_one(
    temporary: Path, worker: tuple[subprocess.Popen[str], Path]
) -> None:
    process, left = worker
    process.send_signal(signal.SIGKILL)
    process.wait()
    sweep(temporary)
    assert left.exists()  # it is not an hour old
    age(left, 3700)
    with scratch_folder():
        assert not left.exists()


def test_the_folder_of_a_living_process_stays(temporary: Path, worker: tuple[subprocess.Popen[str], Path]) -> None:
    process, left = worker
    age(left, 10**6)
    sweep(temporary)
    assert (left / "files" / "half").read_text() == "x"
    process.communicate()
    assert (process.returncode, left.exists()) == (0, False)


def test_what_is_not_ours_stays_whatever_its_name(temporary: Path) -> None:
    (temporary / "kdeploy-checkout").mkdir()
    (temporary / "kdeploy-checkout" / "setup.py").touch()
    (temporary / "kdeploy-with-lock").mkdir()
    for name in ("lock", "files", "mine"):
        (temporary / "kdeploy-with-lock" / name).touch()
    (temporary / "kdeploy-error-report.txt").touch()
    (temporary / "kdeploy-link").symlink_to(temporary / "kdeploy-checkout")
    (temporary / "kdeploy-piped").mkdir()
    os.mkfifo(temporary / "kdeploy-piped" / "lock")
    before = sorted(temporary.rglob("*"))
    for path in temporary.iterdir():
        age(path, 10**7)
    sweep(temporary)
    assert sorted(temporary.rglob("*")) == before


def test_the_log_of_an_error_is_kept_for_a_week(temporary: Path) -> None:
    old, new = temporary / "kdeploy-error-abcd_123.log", temporary / "kdeploy-error-efgh_456.log"
    for path, days in ((old, 8), (new, 6)):
        path.touch()
        age(path, days * 24 * 3600)
    sweep(temporary)
    assert [path.name for path in temporary.iterdir()] == [new.name]


def test_a_folder_that_is_not_there_is_swept_too(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")


def test_an_error_about_a_copy_is_about_the_file_that_people_know() -> None:
    with pytest.raises(ModelError) as caught, scratch_folder("net.onnx") as folder:
        path = folder / "3" / "model.onnx"
        raise ModelError(str(path), "must load", got=f"Load model from {path} failed: no", advice=f"See {folder}.")
    assert str(caught.value) == "net.onnx: must load (Load model from net.onnx failed: no). See net.onnx."
    assert caught.value.as_json()["where"] == "net.onnx"


def test_an_error_about_another_file_stays(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught, standing_for(tmp_path, "net.onnx"):
        raise ModelError("other.onnx", "must load")
    assert str(caught.value) == "other.onnx: must load."
    with pytest.raises(RecipeError) as several, standing_for(tmp_path, "net.onnx"):
        raise RecipeError("a.yaml", [f"a.yaml: {tmp_path}/x must be", "a.yaml: b"])
    assert str(several.value) == "a.yaml: net.onnx must be\na.yaml: b"
