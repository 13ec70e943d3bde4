"""One real run of recipes/tiny.yaml that many tests look at, and the command line inside this process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.program import PATIENT, TINY, Outcome, inside, kdeploy

os.environ |= PATIENT  # before anything imports torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored


class TinyRun(NamedTuple):
    """The folder of a finished run, which nobody may change, and what the run printed."""

    runs: Path
    outcome: Outcome


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """`kdeploy run recipes/tiny.yaml --json`, from nothing."""
    runs = tmp_path_factory.mktemp("tiny") / "runs"
    outcome = kdeploy("run", TINY, "--runs", runs, "--json")
    assert outcome.code == 0, outcome.stderr
    return TinyRun(runs, outcome)


@pytest.fixture
def runs(tiny: TinyRun, tmp_path: Path) -> Path:
    """A copy of that folder to work in."""
    return Path(shutil.copytree(tiny.runs, tmp_path / "runs", symlinks=True))


@pytest.fixture
def command() -> Callable[..., Outcome]:
    return inside


@pytest.fixture
def own_mounts() -> None:
    """Skip where a process may not mount a small disk of its own."""
    try:
        subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("unshare -rm is not permitted here, so no small disk can be mounted")
