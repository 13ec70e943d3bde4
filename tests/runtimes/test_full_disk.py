"""A full disk is known by what was raised, by what that says, or by the room that is left; nothing else is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kdeploy.errors import DataError, IntegrityError, KdeployError, ModelError
from kdeploy.runtimes import full_disk
from kdeploy.runtimes.full_disk import lack_of_room
from kdeploy.runtimes.scratch import scratch_folder

ADVICE = "Free some space, or raise the limit, and run the same command again; finished work is kept."
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes that are free on every disk: enough."""
    monkeypatch.setattr(full_disk, "free_bytes", lambda _path: 1 << 30)
    return 1 << 30


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every disk has nothing left."""
    monkeypatch.setattr(full_disk, "free_bytes", lambda _path: 0)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        NO_SPACE,
        raised(ModelError("a.onnx", "must be converted"), NO_SPACE),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        raised(RuntimeError("cannot save"), raised(ValueError(), NO_SPACE)),
    ],
    ids=["itself", "cause", "text", "deeper"],
)
def test_what_an_error_says_of_the_disk_counts_whatever_is_free_now(error: Exception, free: int, tmp_path: Path):
    found = lack_of_room(error, tmp_path, tmp_path)
    assert found is not None
    expected = f"{tmp_path}: must have room on its disk (No space left on device, {free} bytes free). {ADVICE}"
    assert (found.exit_code, str(found)) == (8, expected)


@pytest.mark.usefixtures("scarce")
@pytest.mark.parametrize(
    "error",
    [OSError("100 requested and 0 written"), RuntimeError("iostream error"), ModelError("a", "must be a model")],
)
def test_an_error_that_says_nothing_is_of_the_disk_that_has_no_room(error: Exception, tmp_path: Path):
    found = lack_of_room(error, tmp_path, tmp_path)
    assert str(found) == f"{tmp_path}: must have room on its disk (0 bytes free). {ADVICE}"


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize("error", [RuntimeError("iostream error"), DataError("a", "must be data"), OSError("x")])
def test_an_error_that_says_nothing_is_its_own_where_there_is_room(error: Exception, tmp_path: Path):
    assert lack_of_room(error, tmp_path, tmp_path) is None


@pytest.mark.usefixtures("scarce")
@pytest.mark.parametrize("error", [KdeployError("a", "must not be run"), IntegrityError("a", "must be as it was")])
def test_what_kdeploy_judged_stays_its_judgement(error: Exception, tmp_path: Path):
    assert lack_of_room(error, tmp_path, tmp_path) is None


@pytest.mark.usefixtures("scarce")
@pytest.mark.parametrize(("written", "full"), [("inside", True), ("outside", False)])
def test_a_copy_fails_where_it_is_written(written: str, full: bool, tmp_path: Path):
    places = {"inside": tmp_path / "scratch" / "copy", "outside": tmp_path / "other"}
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), tmp_path / "source", None, places[written])
    assert (lack_of_room(error, tmp_path / "scratch", tmp_path / "scratch") is not None) == full


@pytest.mark.usefixtures("free")
def test_a_private_folder_names_the_one_that_it_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KdeployError) as caught, scratch_folder("a.onnx") as folder:
        raise ModelError(str(folder / "a.onnx"), "must be converted") from NO_SPACE
    must = "must have room on its disk (No space left on device, 1073741824 bytes free)"
    assert str(caught.value) == f"{tmp_path}: {must}. {ADVICE}"
    assert not list(tmp_path.iterdir())
