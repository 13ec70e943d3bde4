"""Child processes of kdeploy: how they start, and that none outlives its parent."""

from __future__ import annotations

import subprocess
import sys

from kdeploy.system.children import own_environment


def test_a_process_whose_parent_is_gone_already_ends() -> None:
    program = "from kdeploy.system import children; children.die_with_parent(1 << 30); print('alive')"
    found = subprocess.run([sys.executable, "-c", program], env=own_environment(), capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (1, b"", b"")
