from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kdeploy.errors import InputError, IntegrityError, KdeployError
from kdeploy.system.outputs import filled, must_be_writable, must_take_files


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def _link_to_a_folder(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to(path.with_name("elsewhere"))


LINK = "--out: must not be a link, which may lead anywhere ({out}). Name the place itself that it leads to."


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (Path.touch, 3, "--out: must be a folder, or not there yet ({out} is a file)."),
        (os.mkfifo, 3, "--out: must be a folder, or not there yet ({out} is a FIFO)."),
        (_link, 4, LINK),
        (_link_to_a_folder, 4, LINK),
    ],
)
def test_only_a_folder_takes_files(tmp_path: Path, make: Callable[[Path], None], code: int, sentence: str):
    make(tmp_path / "out")
    with pytest.raises(KdeployError) as caught:
        must_take_files(tmp_path / "out")
    assert (caught.value.exit_code, str(caught.value)) == (code, sentence.format(out=tmp_path / "out"))


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (_folder, 3, "--out: must be a file, or not there yet ({out} is a folder)."),
        (os.mkfifo, 3, "--out: must be a file, or not there yet ({out} is a FIFO)."),
        (_link, 4, LINK),
        (_link_to_a_folder, 4, LINK),
    ],
)
def test_only_a_file_is_replaced(tmp_path: Path, make: Callable[[Path], None], code: int, sentence: str):
    make(tmp_path / "out")
    with pytest.raises(KdeployError) as caught:
        must_be_writable(tmp_path / "out", overwrite=True)
    assert (caught.value.exit_code, str(caught.value)) == (code, sentence.format(out=tmp_path / "out"))


def test_a_device_is_neither():
    with pytest.raises(InputError) as caught:
        must_be_writable(Path("/dev/null"), overwrite=True)
    assert str(caught.value) == "--out: must be a file, or not there yet (/dev/null is a device)."


@pytest.mark.parametrize(
    ("name", "why"),
    [("x" * 300, "File name too long"), ("x/" * 3000, "File name too long"), ("a\0b", "embedded null byte")],
)
def test_a_path_that_cannot_be_is_refused(name: str, why: str):
    with pytest.raises(InputError) as caught:
        must_take_files(Path(name))
    assert str(caught.value) == f"--out: must be a path that can be written ({Path(name)}: {why})."


def test_a_path_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        must_take_files(tmp_path / "file" / "out")
    assert str(caught.value) == (f"--out: must be a path that can be written ({tmp_path}/file/out: Not a directory).")


def _fill(out: Path, *, overwrite: bool, **files: str) -> None:
    with filled(out, overwrite=overwrite) as place:
        for name, text in files.items():
            (place / name).write_text(text)


def _content(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir()}


def test_files_go_beside_what_is_there(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    _fill(out, overwrite=False, first="1")
    _fill(out, overwrite=False, second="2", first="1")
    assert _content(out) == {"first": "1", "second": "2"}


def test_what_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path):
    _fill(tmp_path, overwrite=False, b="old")
    with pytest.raises(InputError) as caught:
        _fill(tmp_path, overwrite=False, a="new", b="new")
    assert str(caught.value) == f"--out: must not hold what would be replaced ({tmp_path}/b). Pass --overwrite."
    assert _content(tmp_path) == {"b": "old"}
    _fill(tmp_path, overwrite=True, a="new", b="new")
    assert _content(tmp_path) == {"a": "new", "b": "new"}


def test_a_link_among_the_files_is_not_followed(tmp_path: Path):
    out, canary = tmp_path / "out", tmp_path / "canary"
    canary.write_text("alive")
    out.mkdir()
    (out / "b").symlink_to(canary)
    with pytest.raises(IntegrityError):
        _fill(out, overwrite=True, a="new", b="new")
    assert (canary.read_text(), sorted(_content(out))) == ("alive", ["b"])


def test_nothing_is_there_when_the_work_fails(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), filled(tmp_path, overwrite=True) as place:
        (place / "half").touch()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_files_in_folders_go_to_the_same_folders(tmp_path: Path):
    with filled(tmp_path / "out", overwrite=False) as place:
        (place / "golden").mkdir()
        (place / "golden" / "inputs.npz").write_text("a")
        (place / "model.onnx").write_text("b")
    assert (tmp_path / "out" / "golden" / "inputs.npz").read_text() == "a"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["golden", "model.onnx"]


def test_a_link_in_the_place_of_a_folder_inside_is_not_followed(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "golden").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError), filled(tmp_path / "out", overwrite=True) as place:
        (place / "golden").mkdir()
        (place / "golden" / "inputs.npz").write_text("a")
    assert list((tmp_path / "elsewhere").iterdir()) == []
