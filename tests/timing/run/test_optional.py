from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.records.bench import BenchRecord
from kdeploy.timing.machine import energy
from kdeploy.timing.recompute import recompute
from kdeploy.timing.request import Request
from kdeploy.timing.run import optional
from kdeploy.timing.run.orchestrator import measure
from kdeploy.timing.subprocess_run import run_in_fresh_process
from tests.timing.conftest import HASTY
from tests.timing.scripted import Script, request

SECOND = 1_000_000_000


def measured(script: Script, folder: Path, **settings: object) -> BenchRecord:
    record = measure(request(folder, looks=(1,), **settings), folder / "out", start=script.start, clock=script.clock)
    (folder / "out" / "bench.json").write_bytes(record.sealed())
    return record


def test_cold_starts_are_of_fresh_processes_in_random_order(tmp_path: Path) -> None:
    script = Script()
    record = measured(script, tmp_path, cold_starts=10)
    teacher, student = (arm.cold_start_ns for arm in record.arms)
    assert teacher is not None
    assert student is not None
    assert (student.n, student.page_cache) == (10, "warm")
    assert (student.imports.value, student.session.value) == (5_000_000, 2_000_000)
    assert student.first_inference.value == 40 * 100_000
    assert student.first_inference.ci == (4_000_000, 4_000_000)
    assert student.to_steady is not None
    assert student.to_steady.value == 7_000_000 + 41 * 100_000  # the imports, the session, the first call and the next
    starts = [name for name, do in script.log if do == "cold_start"]
    assert sorted(starts) == ["baseline"] * 10 + ["candidate"] * 10
    assert starts != sorted(starts)
    assert script.open_arms == []


def test_a_sustained_run_shows_its_drift(tmp_path: Path) -> None:
    """From window 50 on every call takes a tenth longer."""

    def latency(_arm: str, _start: int, block: int) -> int:
        return 110_000 if block >= 50 else 100_000

    record = measured(Script(latency_ns=latency), tmp_path, sustained_ns=600 * SECOND)
    found = record.arms[1].sustained
    assert found is not None
    assert len(found.windows) == 100
    assert found.duration_ns == pytest.approx(600 * SECOND, rel=1e-6)
    assert found.windows[50].at_ns == pytest.approx(300 * SECOND, rel=1e-6)
    assert found.drift == pytest.approx(0.1)


def test_energy_is_read_around_blocks_and_idle_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "unreadable", lambda: None)
    monkeypatch.setattr(energy, "read", lambda: [0])
    monkeypatch.setattr(energy, "spent", lambda before, after: 3_000_000)
    monkeypatch.setattr(optional, "idle_uw", lambda: 1_000_000)
    found = measured(Script(), tmp_path, energy=True).arms[1].energy_uj
    assert found is not None
    assert (found.blocks, found.per_inference, found.idle_subtracted) == (5, 300.0, 200.0)


def test_what_was_not_asked_for_or_cannot_be_read_has_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "unreadable", lambda: "no counter")
    missing = {found.field: found.reason for found in measured(Script(), tmp_path, energy=True).unavailable}
    place = "arms[student@onnxruntime-b1-t1]"
    assert missing[f"{place}.cold_start_ns"] == missing[f"{place}.sustained"] == "not asked for"
    assert missing[f"{place}.energy_uj"] == "no counter"


def test_they_are_computed_again_from_the_raw_samples(tmp_path: Path) -> None:
    record = measured(Script(), tmp_path, cold_starts=10, sustained_ns=100 * SECOND)
    assert recompute(tmp_path / "out") == record


def test_real_processes_start_cold_and_run_on(tiny: Request, tmp_path: Path) -> None:
    settings = HASTY.model_copy(update={"cold_starts": 1, "sustained_ns": SECOND // 5})
    record = run_in_fresh_process(replace_settings(tiny, settings), tmp_path / "out")
    for arm in record.arms:
        assert arm.cold_start_ns is not None
        assert arm.cold_start_ns.imports.value > arm.cold_start_ns.first_inference.value > 0
        assert arm.sustained is not None
        assert arm.sustained.duration_ns >= SECOND // 5


def replace_settings(request: Request, settings: object) -> Request:
    return request.model_copy(update={"settings": settings})
