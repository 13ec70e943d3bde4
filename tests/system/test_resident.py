"""The memory of this process and its children."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

from kdeploy.system.resident import PeakMemory, resident_bytes

SIZE = 64 << 20
CHILD = f"import sys; held = b'x' * {SIZE}; print('here', flush=True); sys.stdin.read()"


def test_what_was_held_for_a_moment_is_seen_once():
    with PeakMemory() as memory:
        before = memory.take()
        held = np.ones(SIZE, np.uint8)
        time.sleep(0.2)
        del held
        assert memory.take() - before > 0.9 * SIZE
        assert memory.take() - before < 0.5 * SIZE


def test_a_child_counts():
    before = resident_bytes()
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        during = resident_bytes()
        child.stdin.close()
    assert during - before > 0.9 * SIZE
