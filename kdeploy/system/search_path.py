"""Where this process looks for programs. Libraries start a compiler, `ldconfig` or `uname` by name; none from here."""

from __future__ import annotations

import os

from kdeploy.runtimes.environment import passed_on


def leave_out_working_folder() -> None:
    """Keep the entries of PATH that are absolute: an empty one, as a colon too many makes it, is the working folder."""
    if "PATH" in os.environ:
        os.environ["PATH"] = passed_on().get("PATH", os.defpath)
