from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kdeploy.errors import InputError
from kdeploy.system.os_errors import error_of

ROOM = "Free some space, or raise the limit, and run the same command again; finished work is kept."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize(("name", "where"), [("/a/b", "/a/b"), (b"/a/b", "/a/b"), (None, "a file"), (3, "a file")])
def test_a_disk_that_is_full_is_a_resource(number: int, name: object, where: str):
    found = error_of(OSError(number, os.strerror(number), name))
    assert found is not None
    assert (found.exit_code, str(found)) == (
        8,
        f"{where}: must have room on its disk ({os.strerror(number)}). {ROOM}",
    )


def test_too_many_open_files_are_a_resource():
    found = error_of(OSError(errno.EMFILE, "Too many open files"))
    assert found is not None
    must = "must be able to do what is asked of it"
    assert (found.exit_code, str(found)) == (8, f"this machine: {must} (Too many open files).")


@pytest.mark.parametrize(
    "name", ["missing", "x" * 300, "file/below", "loop", "\udcff"], ids=["missing", "long", "below", "loop", "bytes"]
)
def test_a_path_that_cannot_be_opened_is_bad_input(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError) as caught:
        (tmp_path / name).read_bytes()
    found = error_of(caught.value)
    assert found is not None
    assert (found.exit_code, str(found)) == (
        3,
        f"{tmp_path / name}: must be a file or folder that can be used here ({caught.value.strerror}).",
    )


def test_what_a_library_raises_from_it_is_the_same():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as exc:
            raise RuntimeError("cannot save") from exc
    except RuntimeError as exc:
        found = error_of(exc)
    assert found is not None
    assert found.exit_code == 8


@pytest.mark.parametrize("error", [ValueError("x"), OSError("no number"), BrokenPipeError(errno.EPIPE, "Broken pipe")])
def test_what_is_about_no_file_and_no_limit_stays_what_it_is(error: Exception):
    assert error_of(error) is None


def test_an_error_with_a_sentence_of_its_own_keeps_it():
    error = InputError("a.onnx", "must be an ONNX file")
    error.__cause__ = FileNotFoundError(errno.ENOENT, "No such file or directory", "a.onnx")
    assert error_of(error) is None
