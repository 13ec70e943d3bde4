"""Lines where nobody watches, and signals that wait for a clean point."""

from __future__ import annotations

import contextlib
import io
import os
import signal

import pytest
from rich.console import Console

from kdeploy.cli.progress import TerminalProgress
from kdeploy.errors import InputError, Interrupted, ResourceError
from tests.program import python


@pytest.fixture
def progress() -> TerminalProgress:
    return TerminalProgress(Console(file=io.StringIO()))


def test_a_short_task_prints_nothing_where_nobody_watches():
    text = io.StringIO()
    progress = TerminalProgress(Console(file=text))
    with progress.task("training", 3) as advance:
        advance(3)
    assert text.getvalue() == ""
    progress.say("teacher")
    assert text.getvalue() == "teacher\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_error_with_its_code(progress, number, code):
    with pytest.raises(Interrupted) as caught, progress.signals():
        os.kill(os.getpid(), number)
    assert caught.value.code == code
    assert str(caught.value) == (
        "kdeploy: was interrupted after a clean checkpoint. Run the same command again to go on."
    )


def test_a_signal_inside_a_shield_waits_for_its_end(progress):
    done = []
    with pytest.raises(Interrupted), progress.signals(), progress.shield():
        with progress.shield():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_signal_that_a_library_took_for_an_error_of_its_own_is_still_a_signal(progress):
    with pytest.raises(Interrupted) as caught, progress.signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception as exc:
            raise InputError("net.onnx", "must be a network that torch can export") from exc
    assert caught.value.code == 143


def test_a_signal_that_a_library_swallowed_is_heard_at_the_next_shield(progress):
    with pytest.raises(Interrupted) as caught, progress.signals():
        with contextlib.suppress(Exception):
            os.kill(os.getpid(), signal.SIGTERM)
        with progress.shield():
            raise AssertionError("nothing may be committed")
    assert caught.value.code == 143


def test_a_neighbour_that_the_same_signal_ended_is_an_interruption(progress):
    with pytest.raises(Interrupted) as caught, progress.signals(), progress.shield():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ResourceError("process 1 of 2", "must reach the other processes")
    assert caught.value.code == 143


def test_an_error_without_a_signal_stays_what_it_is(progress):
    with pytest.raises(InputError), progress.signals():
        raise InputError("recipe.yaml", "must be a recipe")


def test_handlers_are_as_before_afterwards(progress):
    before = signal.getsignal(signal.SIGINT)
    with progress.signals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


TWICE = """
import os, signal
from rich.console import Console
from kdeploy.cli.progress import TerminalProgress
progress = TerminalProgress(Console(stderr=True))
with progress.signals(), progress.shield():
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("never here", flush=True)
"""


def test_a_second_signal_ends_the_process_where_it_is():
    assert python("-c", TWICE) == (-signal.SIGTERM, "still here\n", "")
