"""What is no file to read is refused at once: nothing is opened, so nothing can block."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.graphs.inspector.regular_file import check_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's path has at most 107 bytes
    os.mkfifo("fifo")
    Path("folder").mkdir()
    Path("broken").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    Path("empty").touch()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("fifo", "a FIFO"),
        ("folder", "a folder"),
        ("socket", "a socket"),
        ("/dev/zero", "a device"),
        ("broken", "a broken link"),
        ("loop", "Too many levels of symbolic links"),
        ("empty", "an empty file"),
        ("absent", "there is no such file"),
        ("n" * 5000, "File name too long"),
    ],
)
def test_what_is_no_regular_file_is_refused(name, got, folder):
    with pytest.raises(ModelError) as caught:
        check_file(Path(name), InspectionLimits())
    assert str(caught.value) == f"{name}: must be an ONNX file ({got})."


def test_a_nul_in_a_name_is_refused_and_shown(folder):
    with pytest.raises(ModelError) as caught:
        check_file(Path("a\0b.onnx"), InspectionLimits())
    assert str(caught.value) == "a\\0b.onnx: must be an ONNX file (a name with a NUL in it)."


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(folder):
    Path("large").touch()
    os.truncate("large", 2**40)  # a hole: no disk is used
    with pytest.raises(ResourceError) as caught:
        check_file(Path("large"), InspectionLimits())
    assert str(caught.value) == (
        "large: must be a file of at most 402653184 bytes (1099511627776 bytes). "
        "Save its weights in a side file: onnx.save(model, path, save_as_external_data=True)."
    )


def test_a_link_to_a_file_is_that_file(folder):
    Path("real").write_bytes(b"x")
    Path("link").symlink_to("real")
    check_file(Path("link"), InspectionLimits())
