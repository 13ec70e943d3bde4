"""What a living command uses is known to who removes; what a dead one used is forgotten."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from kdeploy.system.in_use import removing, using

HOLD = """
import pathlib, sys, time
from kdeploy.system.in_use import using
with using(pathlib.Path(sys.argv[1]), ["teacher/1", "labels/2"]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_what_is_used_is_known_as_long_as_the_command_lives(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None and child.stdout.readline()
        with using(tmp_path, ["bench/3"]), removing(tmp_path) as used:
            assert used == {"teacher/1", "labels/2", "bench/3"}
        child.kill()
    with removing(tmp_path) as used:
        assert used == set()
    assert [path.name for path in tmp_path.iterdir()] == ["removing.lock"]


def test_nobody_begins_to_use_while_somebody_removes(tmp_path: Path):
    began = threading.Event()

    def use() -> None:
        with using(tmp_path, ["bench/3"]):
            began.set()

    with removing(tmp_path) as used:
        user = threading.Thread(target=use)
        user.start()
        assert not began.wait(0.2)
        assert used == set()
    user.join()
    assert began.is_set()
