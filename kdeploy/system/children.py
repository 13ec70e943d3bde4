"""Child processes: the command and the environment they start with, and their end when this process ends.

Every child that is a module of kdeploy is started by `module_command` in `own_environment`, and so imports nothing from
the folder that the user happens to be in.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from kdeploy.runtimes.environment import passed_on

_PR_SET_PDEATHSIG = 1


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of kdeploy as a program, to be started in `own_environment`.

    -P: the working folder, where a file may have come with others, is no place to import from. Not -I, which would
    lose the PYTHONPATH by which the same kdeploy, and what is installed beside it, is found.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def own_environment() -> dict[str, str]:
    """What may pass of this environment, with this very kdeploy first on the child's path.

    PYTHONSAFEPATH is -P for what the child starts in its turn.
    """
    environment = passed_on()
    paths = [str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH", "")]
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONSAFEPATH": "1"}


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when its parent ends, and end now if it is gone already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number))
    if os.getppid() != parent:
        os._exit(1)
