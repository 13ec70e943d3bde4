"""The words of a plan: what each stage takes, all of them together, and what makes a long run shorter."""

from __future__ import annotations

from typing import Any

import pytest

from kdeploy import api
from kdeploy.errors import UsageError
from kdeploy.records.plan import PlannedStage, PlannedTime, PlanRecord, StageCost
from tests.program import TINY, inside

COST = StageCost(seconds=3725, memory_bytes=2_000_000_000, disk_bytes=50_000)
RECORD = PlanRecord(
    name="mine",
    stages=(
        PlannedStage(stage="samples", fingerprint="0123", done=True),
        PlannedStage(stage="labels", fingerprint="4567", done=False, cost=COST),
        PlannedStage(stage="bench", fingerprint="89ab", done=False),
    ),
    samples={},
    label_rows=1,
    label_bytes=20,
    student_parameters=1,
    student_multiply_adds=1,
    fused_multiply_adds=None,
    bottleneck=None,
    break_even=None,
)
LONG = PlannedTime(
    seconds=3725,
    memory_bytes=2_000_000_000,
    disk_bytes=50_000,
    estimate_seconds=31.2,
    shorter=("labels takes 1 h 02 min: lower views.count (60), or data.split for fewer samples.",),
)


def lines(monkeypatch: pytest.MonkeyPatch, time: PlannedTime) -> list[str]:
    monkeypatch.setattr(api, "plan", lambda *_words, **_options: RECORD.model_copy(update={"time": time}))
    return [" ".join(line.split()) for line in inside("plan", TINY).stdout.splitlines()]


def test_each_stage_has_its_cost_and_a_long_run_the_keys_that_make_it_shorter(monkeypatch: pytest.MonkeyPatch):
    found = lines(monkeypatch, LONG)
    assert found[2:5] == [
        "samples 0123 done - - -",
        "labels 4567 to do 1 h 02 min 2000.00 MB 50.0 kB",
        "bench 89ab to do - - -",
    ]
    assert "about 1 h 02 min here, 2000.00 MB of memory at most, 50.0 kB of disk (found out in 31 s)" in found
    assert f"long: {LONG.shorter[0]}" in found


def test_what_is_not_known_has_a_reason(monkeypatch: pytest.MonkeyPatch):
    found = lines(monkeypatch, PlannedTime(reason="nothing was timed, as asked"))
    assert "time, memory and disk: not known, nothing was timed, as asked" in found
    assert not any(line.startswith("long:") for line in found)


def test_a_run_that_is_done_takes_nothing(monkeypatch: pytest.MonkeyPatch):
    done = PlannedTime(seconds=0, memory_bytes=0, disk_bytes=0, reason="all stages are done")
    assert "time, memory and disk: none, all stages are done" in lines(monkeypatch, done)


@pytest.mark.parametrize("verb", ["plan", "sweep"])
def test_the_data_are_hashed_again_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, verb: str):
    asked: list[bool] = []

    def noted(_subject: str, options: api.Options, **_more: Any) -> None:
        asked.append(options.rehash)
        raise UsageError("--rehash", "was seen")

    monkeypatch.setattr(api, verb, noted)
    for words in ([], ["--rehash"]):
        inside(verb, TINY, *words)
    assert asked == [False, True]
