"""The limits of a process: each is set in one of its own, and seen to hold."""

from __future__ import annotations

import resource
import signal

import pytest

from kdeploy.system.limits import GIB, Limits, memory_of_this_machine, tasks_of_this_machine
from tests.program import Outcome, python

LIMIT = "from kdeploy.system.limits import Limits, limit\nlimit(Limits({limits}))\n"


def within(limits: str, program: str) -> Outcome:
    return python("-c", LIMIT.format(limits=limits) + program)


def test_a_process_that_computes_for_too_long_is_ended():
    assert within("9, cpu_seconds=1", "while True: pass").code == -signal.SIGXCPU


def test_a_process_that_ignores_that_signal_is_killed():
    program = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert within("9, cpu_seconds=1", program).code == -signal.SIGKILL


def test_an_allocation_beyond_the_memory_fails():
    done = within(f"9, memory_bytes={GIB}", f"bytearray({2 * GIB})")
    assert (done.code, done.stderr.splitlines()[-1]) == (1, "MemoryError")


def test_a_write_beyond_the_size_of_a_file_fails(tmp_path):
    done = within("9, file_bytes=1000", f"open({str(tmp_path / 'x')!r}, 'wb', 0).write(bytes(2000))\nprint('short')")
    assert (tmp_path / "x").stat().st_size == 1000, done.stderr


@pytest.mark.parametrize(
    ("limits", "kind", "expected"),
    [
        ("9", resource.RLIMIT_CORE, 0),
        ("9, cpu_seconds=7", resource.RLIMIT_CPU, 7),
        ("9, memory_bytes=2**33", resource.RLIMIT_AS, 2**33),
        ("9, file_bytes=5", resource.RLIMIT_FSIZE, 5),
    ],
)
def test_a_limit_is_what_was_asked_for(limits, kind, expected):
    done = within(limits, f"import resource; print(resource.getrlimit({kind})[0])")
    assert int(done.stdout) == expected


def test_processes_are_counted_from_those_that_the_user_has():
    program = "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[0])"
    assert int(within("9, processes=50", program).stdout) > 50  # this one and pytest are there already


def test_processes_are_not_limited_where_those_of_others_are_too_many_already():
    program = """
import resource, threading
from kdeploy.system.limits import Limits, limit
def refuse(_thread): raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
before = resource.getrlimit(resource.RLIMIT_NPROC)
limit(Limits(9, processes=50))
print(before == resource.getrlimit(resource.RLIMIT_NPROC))
"""
    assert python("-c", program).stdout == "True\n"


def test_a_limit_that_is_lower_already_stays():
    program = "limit(Limits(9, cpu_seconds=50))\nimport resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    assert int(within("9, cpu_seconds=7", program).stdout) <= 8  # the last second, in which the kernel kills


def test_the_kernel_ends_such_a_process_before_any_other():
    assert within("9", "print(open('/proc/self/oom_score_adj').read())").stdout.strip() == "1000"


def test_memory_leaves_room_for_what_runtimes_only_reserve():
    assert memory_of_this_machine() > 16 * GIB
    assert tasks_of_this_machine() > 1024
    assert Limits(1.0) == (1.0, None, None, None, None)
