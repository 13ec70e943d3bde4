"""A clock that goes back an hour again and again: what counts is monotonic, and nothing is taken for old."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import TinyRun
from tests.program import TINY, Outcome, kdeploy
from tests.surroundings.results import copied, results

# every process of Python reads it, children too: the clock of the day is an hour behind what it was a second ago
BACKWARDS = """
import datetime, os, time

_time, _began = time.time, time.monotonic()
_lost = int(os.environ["KDEPLOY_TEST_LOST"])
time.time = lambda: _time() - _lost - 3600 * int(time.monotonic() - _began)
time.time_ns = lambda: int(time.time() * 1e9)

class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

datetime.datetime = _Datetime
with open(os.environ["KDEPLOY_TEST_CLOCKS"], "a") as log:
    log.write(f"{os.getpid()}\\n")
"""
DAY = 24 * 3600


def test_a_clock_that_goes_backwards_changes_no_result_and_loses_nothing(tiny: TinyRun, tmp_path: Path):
    runs = copied(tiny.runs, tmp_path, "labels", "distill", "bench")
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(BACKWARDS)
    (scratch := tmp_path / "kdeploy-abcdefgh").mkdir()
    (scratch / "lock").touch()
    (temporary := runs / "samples" / ".kdeploy-tmp-abcdefgh").touch()
    for days, stage in enumerate(("label", "distill", "run")):
        ended = _behind(tmp_path, days * DAY, stage, TINY, "--runs", runs)
        assert (ended.code, stage, ended.stderr[-500:] if ended.code else "") == (0, stage, "")
    assert len((tmp_path / "clocks").read_text().splitlines()) > 3  # the processes of the benchmark too
    assert results(runs) == results(tiny.runs)
    durations = [*_durations(runs)]
    assert len(durations) > 3
    assert min(durations) >= 0
    assert (scratch.exists(), temporary.exists()) == (True, True)  # made in the future, and so in use
    os.utime(temporary, (0, 0))
    before = results(runs)
    cleaned = _behind(tmp_path, 9 * DAY, "clean", "--yes", "--runs", runs)
    assert (cleaned.code, results(runs)) == (0, before)


def _behind(folder: Path, seconds: int, *words: str | Path) -> Outcome:
    """`kdeploy WORDS` with a clock that is so far behind, and falls further behind."""
    return kdeploy(
        *words,
        PYTHONPATH=str(folder / "clock"),
        KDEPLOY_TEST_LOST=str(seconds),
        KDEPLOY_TEST_CLOCKS=str(folder / "clocks"),
        TMPDIR=str(folder),
    )


def _durations(runs: Path) -> Iterator[int]:
    """Each number of a record that is a time spent."""
    for path in runs.glob("[!.]*/*/*.json"):
        yield from _spent(json.loads(path.read_text()))


def _spent(value: Any, key: str = "") -> Iterator[int]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _spent(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _spent(inner, key)
    elif key.endswith("_ns") and isinstance(value, int | float):
        yield int(value)
