"""The program `kdeploy`: it speaks for all processes of a distributed run, and ends with the exit code of its error."""

from __future__ import annotations

import os
import sys

from kdeploy.cli import streams
from kdeploy.cli.application import app
from kdeploy.cli.errors import exit_code_of, told
from kdeploy.system import distributed
from kdeploy.system.search_path import leave_out_working_folder


def main(arguments: list[str] | None = None) -> None:
    """Run the program.

    Args:
        arguments: of the command line; None takes those of this process.
    """
    leave_out_working_folder()
    # OpenMP's threads spin while they wait for each other, which on a busy machine takes the time that the others need;
    # it reads this when torch is imported
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    streams.lasting()
    if not distributed.is_first():
        streams.silence()  # the first process speaks for all; this one's errors still go to stderr
    code = exit_code_of(app, sys.argv[1:] if arguments is None else arguments)
    lost = streams.lost_answer()
    sys.exit(told(lost) if code == 0 and lost is not None else code)
