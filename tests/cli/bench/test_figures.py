from __future__ import annotations

from pathlib import Path

from kdeploy.cli.bench.figures import timing_lines
from kdeploy.records.bench import Energy
from tests.timing.run.test_throughput import asked, measured
from tests.timing.scripted import Script

SECOND = 1_000_000_000


def test_throughputs_cold_starts_and_drift_are_a_line_each(tmp_path: Path) -> None:
    wanted = asked(tmp_path, (1, 16), cold_starts=10, sustained_ns=100 * SECOND)
    record = measured(Script(), wanted, tmp_path)
    assert list(timing_lines(record))[:3] == [
        "throughput, onnxruntime, batch 16, threads 1: teacher 22,857 samples/s, student 160,000 samples/s",
        "cold start of teacher@onnxruntime-b1-t1: imports 5.0 ms, session 2.0 ms, first 28.0 ms, steady after 35.7 ms "
        "(10 processes, page cache warm)",
        "sustained teacher@onnxruntime-b1-t1: +0.0 % from the first tenth of 100 s to the last",
    ]


def test_energy_is_said_where_it_was_read(tmp_path: Path) -> None:
    record = measured(Script(), asked(tmp_path), tmp_path)
    energy = Energy(per_inference=300.0, idle_subtracted=200.0, domain="rapl-package", blocks=5)
    arm = record.arms[1].model_copy(update={"energy_uj": energy})
    assert list(timing_lines(record.model_copy(update={"arms": (arm,)}))) == [
        "energy of student@onnxruntime-b1-t1: 200 uJ a call above idle (rapl-package)"
    ]
