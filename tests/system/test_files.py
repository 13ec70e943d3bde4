"""What is asked about files and folders."""

from __future__ import annotations

from pathlib import Path

from kdeploy.system.files import folder_bytes


def test_a_folder_is_its_files_without_links(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to(tmp_path / "inner" / "a")
    assert folder_bytes(tmp_path) == 5
