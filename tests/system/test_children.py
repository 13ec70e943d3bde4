"""Child processes of kdeploy: how they start, and that none outlives its parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kdeploy.system.children import module_command, own_environment


def test_a_process_whose_parent_is_gone_already_ends() -> None:
    program = "from kdeploy.system import children; children.die_with_parent(1 << 30); print('alive')"
    found = subprocess.run([sys.executable, "-c", program], env=own_environment(), capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (1, b"", b"")


def test_a_child_imports_nothing_from_the_folder_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("print('mine')\n")
    (tmp_path / "kdeploy").mkdir()
    command = module_command("kdeploy.timing", "only one word")
    found = subprocess.run(command, env=own_environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "must be given a request and a folder" in found.stdout
    assert (found.returncode, "mine" in found.stdout, found.stderr) == (2, False, "")
