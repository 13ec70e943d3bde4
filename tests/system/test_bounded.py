"""A child within limits: its answer comes back whole, and whatever ends it, this process goes on with a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kdeploy.errors import InputError, IntegrityError, KdeployError, ResourceError
from kdeploy.system import bounded
from kdeploy.system.limits import GIB, Limits
from tests.program import REPOSITORY

NO_HURRY = Limits(60, memory_bytes=2 * GIB)


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def ask(do: str, limits: Limits = NO_HURRY, **request: Any) -> dict[str, Any]:
    return bounded.ask("tests.system.asked", {"do": do, **request}, limits, where="model.x", doing="tried")


def refusal(do: str, limits: Limits = NO_HURRY, **request: Any) -> str:
    with pytest.raises(ResourceError) as caught:
        ask(do, limits, **request)
    return str(caught.value)


def test_an_answer_comes_back_as_it_was_and_the_steps_before_it():
    steps: list[dict[str, Any]] = []
    request = {"do": "answer", "value": [1.5, None, "ü"]}
    found = bounded.ask("tests.system.asked", request, NO_HURRY, where="x", doing="tried", step=steps.append)
    assert (found, steps) == ({"answer": [1.5, None, "ü"], "stdin": ""}, [{"say": 1}, {"say": 2}])


def test_an_error_comes_back_as_its_own_kind():
    with pytest.raises(IntegrityError) as caught:
        ask("refuse")
    assert caught.value.as_json() == IntegrityError("x", "must be y", got="z", advice="Do w.").as_json()


def test_what_the_system_refuses_a_child_is_no_bug(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        ask("write", path=str(tmp_path / "no" / "file"))
    must = "must be a file or folder that can be used here (No such file or directory)"
    assert str(caught.value) == f"{tmp_path / 'no' / 'file'}: {must}."


def test_a_child_that_takes_too_long_is_ended():
    began = time.monotonic()
    expected = "model.x: must be tried within 2 s (it took more than 2 s). Do not run it here."
    assert refusal("sleep", Limits(2)) == expected
    assert time.monotonic() - began < 30


def test_a_child_that_computes_for_too_long_is_ended():
    expected = "model.x: must be tried within 1 s of processor time (it took more than 1 s of processor time)."
    assert refusal("spin", Limits(60, cpu_seconds=1)) == f"{expected} Do not run it here."


def test_a_child_that_wants_too_much_memory_is_refused():
    expected = f"model.x: must be tried within {2 * GIB} bytes of memory (it needs more)."
    assert refusal("allocate") == expected


def test_a_child_that_crashes_is_told_by_its_signal():
    expected = f"must be tried within {2 * GIB} bytes of memory and 60 s (it ended with signal {int(signal.SIGSEGV)})"
    assert refusal("crash") == f"model.x: {expected}. Do not run it here."


def test_a_child_that_speaks_no_more_is_ended():
    expected = f"must be tried within {2 * GIB} bytes of memory and 60 s (it ended with signal 9)"
    assert refusal("mute") == f"model.x: {expected}. Do not run it here."


@pytest.mark.parametrize(("do", "got"), [("bug", " (ValueError: a bug)"), ("leave", "")])
def test_a_child_that_fails_by_itself_is_our_bug(do, got):
    with pytest.raises(KdeployError) as caught:
        ask(do)
    assert str(caught.value) == f"model.x: must be tried or refused{got}."
    assert caught.value.exit_code == 1


def test_a_child_that_a_library_ends_for_want_of_threads_is_refused():
    said = "libgomp: Thread creation failed: Resource temporarily unavailable"
    expected = f"must be tried within {2 * GIB} bytes of memory and 60 s ({said})"
    assert refusal("leave", saying=said) == f"model.x: {expected}. Do not run it here."
    assert refusal("bug", saying="can't start new thread") == (
        f"model.x: must be tried within {2 * GIB} bytes of memory (can't start new thread)."
    )


def test_a_package_that_is_missing_in_a_child_is_no_other_error_than_here():
    with pytest.raises(KdeployError) as caught:
        ask("import")
    assert str(caught.value) == (
        "model.x: must be tried or refused (ModuleNotFoundError: No module named 'no_such_package')."
    )


def test_what_a_child_started_ends_with_it():
    pid = ask("start")["pid"]
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} is still there")


PARENT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored
import sys
from kdeploy.system import bounded
from kdeploy.system.limits import Limits
bounded.ask("tests.system.asked", {"do": "sleep"}, Limits(600), where="x", doing="tried")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_its_parent(number):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL, env=dict(os.environ))
    children: list[str] = []
    while not children:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        time.sleep(0.05)
    time.sleep(1)  # until it has asked the kernel to end with its parent
    parent.send_signal(number)
    parent.wait(timeout=30)
    for _ in range(100):
        if not Path(f"/proc/{children[0]}").exists() or " Z " in Path(f"/proc/{children[0]}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the child is still there")
