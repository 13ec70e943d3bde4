"""What goes on is said when nothing was said for half a minute; the clock is the test's."""

from __future__ import annotations

import io
import time

from rich.console import Console

from kdeploy.cli.progress import TerminalProgress
from kdeploy.cli.pulse import Pulse


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pulse() -> tuple[Pulse, list[str], Clock]:
    said, clock = list[str](), Clock()
    return Pulse(said.append, "run", clock=clock), said, clock


def test_a_stage_that_counts_nothing_says_how_long_it_goes_on() -> None:
    beats, said, clock = pulse()
    beats.begin("export")
    for clock.now in (10.0, 29.9, 30.0, 40.0, 60.0):
        beats.beat()
    assert said == ["  export: 30 s so far", "  export: 1 min 00 s so far"]


def test_a_task_says_its_share_and_the_time_that_is_left() -> None:
    beats, said, clock = pulse()
    beats.begin("distill")
    with beats.task("student, seed 0", 400) as advance:
        clock.now = 30.0
        beats.beat()
        advance(200)  # it goes on from a checkpoint
        advance(300)
        clock.now = 60.0
        beats.beat()
        advance(400)
        clock.now = 90.0
        beats.beat()
    clock.now = 120.0
    beats.beat()
    assert said == [
        "  distill, student, seed 0: 0 %, 30 s so far",
        "  distill, student, seed 0: 75 %, about 1 min 00 s left",
        "  distill, student, seed 0: 100 %, 1 min 30 s so far",
        "  distill: 2 min 00 s so far",
    ]


def test_a_task_of_the_name_of_its_stage_is_named_once() -> None:
    beats, said, clock = pulse()
    beats.begin("labels")
    with beats.task("labels", 10):
        clock.now = 30.0
        beats.beat()
    assert said == ["  labels: 0 %, 30 s so far"]


def test_whatever_is_said_puts_the_next_line_off() -> None:
    beats, said, clock = pulse()
    clock.now = 20.0
    beats.spoke()
    clock.now = 40.0
    beats.beat()
    assert said == []


def test_a_log_gets_lines_while_nothing_returns_and_none_afterwards() -> None:
    text = io.StringIO()
    progress = TerminalProgress(Console(file=text), "verify")
    progress.pulse.every = 0.1
    with progress.pulse.beating():
        time.sleep(0.5)
    lines = text.getvalue().splitlines()
    assert lines
    assert set(lines) == {"  verify: 1 s so far"}
    time.sleep(0.3)
    assert text.getvalue().splitlines() == lines
