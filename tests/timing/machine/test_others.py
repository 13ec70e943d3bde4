from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.timing.machine import others
from kdeploy.timing.machine.others import Load, Process, Reading

TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
SECOND = 10**9


def stat(pid: int, name: str, *, parent: int, session: int, ticks: int, cpu: int) -> str:
    fields = ["S", parent, 1, session, *[0] * 7, ticks, 0, *[0] * 23, cpu, 0]
    return f"{pid} ({name}) {' '.join(map(str, fields))}\n"


def tree(root: Path, cpu_lines: str, *processes: str) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(cpu_lines)
    for text in processes:
        folder = root / "proc" / text.split()[0]
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(text)


def test_a_reading_has_the_busy_and_the_stolen_time_of_the_cpus_it_was_asked_for(tmp_path: Path) -> None:
    lines = (
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 900 900 4 5 6 0 0\ncpu1 10 0 0 0 0 0 0 1 0 0\ncpu2 7 0 0 0 0 0 0 0 0 0\n"
    )
    tree(tmp_path, lines, stat(42, "a) (b", parent=7, session=9, ticks=30, cpu=1))
    reading = others.read((0, 1), tmp_path, lambda: 5)
    assert reading is not None
    assert (reading.at_ns, reading.busy_ns, reading.stolen_ns) == (5, 25 * TICK_NS, 7 * TICK_NS)
    assert reading.processes == {42: Process(42, "a) (b", 7, 9, 1, 30 * TICK_NS)}


def test_a_system_that_shows_nothing_is_no_reading(tmp_path: Path) -> None:
    assert others.read((0,), tmp_path) is None


def reading(at_s: int, busy_s: float, *processes: Process, ended_s: float = 0.0) -> Reading:
    return Reading(
        at_s * SECOND, round(busy_s * SECOND), 0, round(ended_s * SECOND), {one.pid: one for one in processes}
    )


def taken(before: Reading, after: Reading) -> Load:
    return others.load(before, after, (0, 1), own=10)


OWN = Process(10, "kdeploy", 5, 10, 0, 0)
SHELL = Process(5, "make", 1, 5, 0, 0)


def test_what_we_and_those_who_started_us_take_is_not_the_others(tmp_path: Path) -> None:
    worker, stranger = Process(11, "arm", 10, 10, 0, 0), Process(99, "yes", 1, 99, 1, 0)
    later = (worker._replace(ns=SECOND), stranger._replace(ns=3 * SECOND), SHELL._replace(ns=SECOND), OWN)
    load = taken(reading(0, 0.0, OWN, SHELL, worker, stranger), reading(4, 6.0, *later, ended_s=0.5))
    assert load.others == pytest.approx((6 - 1 - 1 - 0.5) / 4)
    assert [(one.name, cpus) for one, cpus in load.processes] == [("yes", 0.75)]


def test_a_process_on_cpus_that_we_may_not_use_is_nobody_who_disturbs() -> None:
    elsewhere = Process(99, "yes", 1, 99, 7, 0)
    load = taken(reading(0, 0.0, OWN, elsewhere), reading(1, 0.0, OWN, elsewhere._replace(ns=SECOND)))
    assert (load.others, load.processes) == (0.0, [])


def test_a_loop_beside_this_process_is_named() -> None:
    import subprocess
    import sys
    import time

    cpus = tuple(sorted(os.sched_getaffinity(0)))
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        before = others.read(cpus)
        time.sleep(0.5)
        after = others.read(cpus)
    finally:
        loop.kill()
        loop.wait()
    assert before is not None
    assert after is not None
    assert loop.pid in [one.pid for one, share in others.load(before, after, cpus).processes if share > 0]
