"""A control group below that of this process, for one test: processes of it get less than there is.

version 1   a folder for each controller
version 2   one folder, and a controller only where the group above delegates it
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
VERSION_1 = {"cpu.max": "cpu.cfs_quota_us", "memory.max": "memory.limit_in_bytes", "pids.max": "pids.max"}


class ControlGroup:
    """What stands in front of a command that is to run in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, *words: str | Path) -> list[str | Path]:
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self._folder / "cgroup.procs", *words]

    def count(self, name: str) -> dict[str, int]:
        """The counters of one of its files, by name."""
        lines = (line.split() for line in (self._folder / name).read_text().splitlines())
        return {line[0]: int(line[1]) for line in lines if len(line) == 2}


@contextmanager
def control_group(limit: str, value: str) -> Iterator[ControlGroup]:
    """A group with one limit, `cpu.max` (`10000 100000`), `memory.max` or `pids.max`, as version 2 writes it.

    Skips the test where no group can be made.
    """
    controller = limit.partition(".")[0]
    folder = _above(controller) / f"kdeploy-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as exc:
        pytest.skip(f"no control group can be made here: {exc}")
    try:
        _set(folder, limit, value)
        yield ControlGroup(folder)
    finally:
        folder.rmdir()


def _above(controller: str) -> Path:
    """The group of this process, for a controller."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    for _, controllers, path in groups:
        if controller in controllers.split(","):
            return ROOT / controllers / path.lstrip("/")
    return ROOT / next((path for _, controllers, path in groups if not controllers), "/").lstrip("/")


def _set(folder: Path, limit: str, value: str) -> None:
    try:
        if (folder / limit).is_file():
            (folder / limit).write_text(value)
        else:
            (folder / VERSION_1[limit]).write_text(value.partition(" ")[0])  # a CPU's period is the same, by default
    except OSError as exc:
        pytest.skip(f"no control group can be limited here: {exc}")
