"""A path in JSON opens as it stands, and what is no path, or is not there, is left alone."""

from __future__ import annotations

from pathlib import Path

from kdeploy.cli.openable import openable


def test_paths_to_what_is_there_go_through_the_folder(tmp_path: Path) -> None:
    (tmp_path / "student.onnx").write_bytes(b"")
    (tmp_path / "bundle").mkdir()
    document = {
        "student": {"file": "student.onnx", "name": "student.onnx"},
        "formats": [{"file": "student.onnx"}, {"file": "gone.xml"}],
        "bundle": "bundle",
        "folder": None,
        "path": "",
    }
    assert openable(document, tmp_path) == {
        "student": {"file": f"{tmp_path}/student.onnx", "name": "student.onnx"},
        "formats": [{"file": f"{tmp_path}/student.onnx"}, {"file": "gone.xml"}],
        "bundle": f"{tmp_path}/bundle",
        "folder": None,
        "path": "",
    }
