"""What a library would end this process for is tried before it is imported."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kdeploy.errors import ResourceError
from kdeploy.system import host, room
from kdeploy.system.room import must_hold_torch
from tests.control_group import control_group
from tests.program import PROGRAM, TINY, outcome

AN_EXABYTE = 2**60


def test_what_is_there_is_given_back():
    before = threading.active_count()
    must_hold_torch(4)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)
    assert threading.active_count() == before


def test_address_space_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "TORCH_BYTES", AN_EXABYTE)
    with pytest.raises(ResourceError) as caught:
        must_hold_torch(1)
    assert str(caught.value) == (
        f"this process: must have {AN_EXABYTE >> 20} MiB of address space left (the system refuses them). "
        "Raise the limit on memory (ulimit -v)."
    )


@pytest.mark.parametrize("mebibytes", [60, 100, 500])
def test_a_command_with_little_memory_ends_with_8(mebibytes: int, tmp_path: Path):
    limited = ["sh", "-c", f'ulimit -v {mebibytes << 10} && exec "$@"', "sh"]
    ended = outcome(
        [*limited, PROGRAM, "plan", TINY, "--no-time", "--runs", tmp_path / "runs"], tmp_path, TMPDIR=str(tmp_path)
    )
    assert (ended.code, ended.stdout) == (8, "")
    assert ended.stderr.splitlines()[-1].startswith(
        ("error: this process: must have ", "error: kdeploy ran out of memory or threads (")
    )


def test_a_command_that_gets_no_more_threads_ends_with_8(tmp_path: Path):
    """A control group binds root as well, which a limit on processes does not."""
    words = (PROGRAM, "plan", TINY, "--no-time", "--runs", tmp_path / "runs")
    with control_group("pids.max", "1") as group:
        ended = outcome(group.command(*words), tmp_path, OMP_NUM_THREADS="4", TMPDIR=str(tmp_path))
    assert (ended.code, ended.stdout) == (8, "")
    assert ended.stderr.splitlines()[-1] == (
        f"error: this process: must be able to start {len(host.allowed_cpus()) - 1 or 3} more threads (0 started). "
        "Raise the limits on processes and threads (ulimit -u, pids.max of a container) and on memory."
    )
