"""The program `kdeploy` as people run it: a process of its own, with this checkout's code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from kdeploy.cli.application import app
from kdeploy.cli.errors import exit_code_of

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = REPOSITORY / "recipes" / "tiny.yaml"
PROGRAM = Path(sys.executable).with_name("kdeploy")
# threads that spin while they wait would slow each other down on a busy machine
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
STAGES = ("samples", "teacher", "labels", "distill", "export", "verify", "bench", "bundle", "report")


class Outcome(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; anything else there is an error."""
        return dict(json.loads(self.stdout))


def environment(**changes: str) -> dict[str, str]:
    paths = [changes.pop("PYTHONPATH", ""), str(REPOSITORY)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "80"} | PATIENT | changes


def kdeploy(*words: str | Path, folder: Path = REPOSITORY, **changes: str) -> Outcome:
    """Run `kdeploy WORDS` to its end."""
    return outcome([PROGRAM, *words], folder, **changes)


def python(*words: str | Path, folder: Path = REPOSITORY, **changes: str) -> Outcome:
    """Run `python WORDS` to its end."""
    return outcome([sys.executable, *words], folder, **changes)


def outcome(command: list[str | Path], folder: Path, **changes: str) -> Outcome:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, cwd=folder, env=environment(**changes)
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def inside(*words: str | Path) -> Outcome:
    """`kdeploy WORDS` without a process of its own: torch is imported once for all tests."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code_of(app, [*map(str, words)])
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*words: str | Path, **changes: str) -> subprocess.Popen[str]:
    """Start `kdeploy WORDS` in a process group of its own."""
    return subprocess.Popen(
        [PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment(**changes),
        start_new_session=True,
    )
