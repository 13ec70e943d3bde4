from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.records.bench import BenchRecord
from kdeploy.timing.recompute import recompute
from kdeploy.timing.request import ComparisonRequest, Request
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request

SECOND = 1_000_000_000


def asked(folder: Path, *sizes: tuple[int, int], **settings: object) -> Request:
    """A comparison, and throughputs at these threads and batches."""
    plain = request(folder, looks=(1,), **settings)
    first = dict(plain.comparisons[0])
    brief = tuple(ComparisonRequest(**first | {"threads": threads, "batch": batch}) for threads, batch in sizes)
    return plain.model_copy(update={"throughput": brief})


def measured(script: Script, wanted: Request, folder: Path) -> BenchRecord:
    record = measure(wanted, folder / "out", start=script.start, clock=script.clock)
    (folder / "out" / "bench.json").write_bytes(record.sealed())
    return record


def test_throughput_is_measured_beside_the_comparison_by_two_processes_a_model(tmp_path: Path) -> None:
    script = Script()
    record = measured(script, asked(tmp_path, (1, 16), (1, 64)), tmp_path)
    assert len(record.comparison) == 1
    found = {(row.model, row.batch): (row.value, row.processes) for row in record.throughput}
    assert found == {
        ("teacher", 16): (pytest.approx(16 / 700e-6), 2),
        ("student", 16): (pytest.approx(16 / 100e-6), 2),
        ("teacher", 64): (pytest.approx(64 / 700e-6), 2),
        ("student", 64): (pytest.approx(64 / 100e-6), 2),
    }
    assert script.starts == {"baseline": 4, "control": 0, "candidate": 4}  # no null, and no replicates but two


def test_it_is_computed_again_from_the_raw_samples(tmp_path: Path) -> None:
    record = measured(Script(), asked(tmp_path, (1, 16)), tmp_path)
    assert recompute(tmp_path / "out") == record


def test_what_the_time_does_not_last_for_is_left_out_with_its_reason(tmp_path: Path) -> None:
    slow = Script(start_ns=15 * SECOND)  # three workers of the comparison, and four of each throughput
    record = measured(slow, asked(tmp_path, (1, 16), (2, 16)), tmp_path)
    assert {(row.threads, row.batch) for row in record.throughput} == {(1, 16)}
    missing = {found.field: found.reason for found in record.unavailable}
    assert missing["throughput[onnxruntime, batch 16, 2 threads]"] == (
        "20 s for the throughputs of this runtime had passed"
    )


def test_a_setting_whose_blocks_are_all_void_is_left_out_with_its_reason(tmp_path: Path) -> None:
    record = measured(Script(counters=lambda _arm, _block: {"wait_ns": 1 << 40}), asked(tmp_path, (1, 16)), tmp_path)
    assert record.throughput == ()
    missing = {found.field: found.reason for found in record.unavailable}
    assert missing["throughput[onnxruntime, batch 16, 1 thread]"] == "every block is void"
    assert recompute(tmp_path / "out") == record


def test_a_setting_that_a_worker_does_not_survive_is_left_out_with_its_reason(tmp_path: Path) -> None:
    class Fragile(Script):
        def start(self, name, settings):  # type: ignore[no-untyped-def]
            if not settings.null:
                self.fails = "warm_up"
            return super().start(name, settings)

    record = measured(Fragile(), asked(tmp_path, (1, 64)), tmp_path)
    assert record.throughput == ()
    assert record.comparison[0].ratio is not None
    missing = {found.field: found.reason for found in record.unavailable}
    assert missing["throughput[onnxruntime, batch 64, 1 thread]"] == (
        "bench worker candidate: must answer until it is told to end (it ended with signal 9)."
    )
    assert recompute(tmp_path / "out") == record
