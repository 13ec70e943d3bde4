"""The call floor: fresh workers with a graph that does nothing, and who is near it."""

from __future__ import annotations

from pathlib import Path

from kdeploy.records.bench import BenchRecord, TimeEstimate
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request


def measured(folder: Path, latencies: dict[str, int], *, floor: bool = True) -> BenchRecord:
    script = Script(latency_ns=lambda arm, start, _block: latencies[arm] + (1000 * start if arm == "floor" else 0))
    record = measure(request(folder, floor=floor), folder / "out", start=script.start, clock=script.clock)
    assert script.open_arms == []
    starts = [do for arm, do in script.log if arm == "floor"]
    assert starts == ["load", "warm_up", "run"] * 3 * floor
    return record


def test_the_floor_is_the_median_over_fresh_workers(tmp_path: Path) -> None:
    record = measured(tmp_path, {"baseline": 700_000, "control": 700_000, "candidate": 100_000, "floor": 5_000})
    assert record.null_sut is not None
    [floor] = record.null_sut
    assert (floor.runtime, floor.threads) == ("onnxruntime", 1)
    # starts of 5, 6 and 7 us
    assert floor.call_floor_ns == TimeEstimate(value=6000, level=0.99, method="median/starts")
    assert record.comparison[0].notes == ()


def test_a_model_that_takes_less_than_twice_the_floor_is_bound_by_overhead(tmp_path: Path) -> None:
    record = measured(tmp_path, {"baseline": 700_000, "control": 700_000, "candidate": 100_000, "floor": 59_000})
    assert record.comparison[0].notes == (
        "student is bound by overhead: it takes 100.0 us, and onnxruntime takes 60.0 us for a graph that does nothing",
    )


def test_without_such_a_graph_the_record_says_so(tmp_path: Path) -> None:
    record = measured(tmp_path, {"baseline": 700_000, "control": 700_000, "candidate": 100_000}, floor=False)
    assert record.null_sut is None
    [reason] = [missing.reason for missing in record.unavailable if missing.field == "null_sut"]
    assert reason == "no graph that does nothing was given"
