from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kdeploy.formatting.file_kinds import not_a_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with one of each kind."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("file")
    Path("folder").mkdir()
    os.mkfifo("fifo")
    Path("broken").symlink_to("nothing")
    Path("loop").symlink_to("loop")
    Path("device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("file", ""),
        ("link", ""),
        ("folder", "a folder"),
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("device", "a device"),
        ("broken", "a broken link"),
        ("nothing", "there is no such file"),
        ("loop", "Too many levels of symbolic links"),
        ("file/below", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("a\0b", "a name with a NUL in it"),
    ],
)
def test_a_path_leads_to_a_file_or_to_what_words_say(name: str, what: str):
    assert not_a_file(Path(name)) == what
