from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from kdeploy.errors import InputError
from kdeploy.records.bench import BenchRecord, Claim, Comparison, Ratio
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request


@pytest.fixture
def record(tmp_path: Path) -> BenchRecord:
    script = Script()
    return measure(request(tmp_path), tmp_path / "out", start=script.start, clock=script.clock)


def test_a_record_survives_its_json(record: BenchRecord) -> None:
    text = record.to_json()
    assert BenchRecord.from_json(text, where="here") == record
    assert json.loads(text)["schema"] == "kdeploy.bench/3"


def test_the_top_level_names_are_those_of_the_schema(record: BenchRecord) -> None:
    assert json.loads(record.to_json()).keys() == {
        *("schema", "id", "created", "tool", "command", "seed", "duration_ns", "host", "software", "timer", "arms"),
        *("null_sut", "comparison", "throughput", "noise", "unavailable", "raw"),
    }


def test_a_record_names_every_field_the_schema_asks_of_an_arm(record: BenchRecord) -> None:
    arm = json.loads(record.to_json())["arms"][0]
    assert arm.keys() >= {
        *("name", "role", "artifact", "runtime", "workload", "parity", "quality", "latency_ns", "throughput"),
        *("cold_start_ns", "memory_bytes", "energy_uj", "compute", "roofline"),
    }
    assert arm["latency_ns"].keys() == {
        *("n_calls", "n_replicates", "mean", "median", "p90", "p95", "p99", "p999", "min", "max", "mad"),
        "mlperf_upper",
    }


def test_a_field_from_the_future_is_ignored(record: BenchRecord) -> None:
    body = json.loads(record.to_json()) | {"horoscope": "good"}
    assert BenchRecord.from_json(json.dumps(body), where="here") == record


def test_a_record_of_another_major_version_is_refused(record: BenchRecord) -> None:
    text = record.to_json().replace("kdeploy.bench/3", "kdeploy.bench/4")
    with pytest.raises(InputError) as caught:
        BenchRecord.from_json(text, where="here")
    assert str(caught.value) == (
        "here: must have the schema kdeploy.bench/3 (schema 'kdeploy.bench/4'). A newer kdeploy wrote it: use that one."
    )


def test_an_arm_is_found_by_its_name(record: BenchRecord) -> None:
    assert record.arm(record.comparison[0].candidate).model == "student"


def test_a_ratio_is_a_number() -> None:
    with pytest.raises(ValidationError):
        Ratio(value=float("nan"), ci=None, level=0.99, n_pairs=1)


@pytest.mark.parametrize(
    ("ratio", "row"),
    [
        (Ratio(value=6.8, ci=(6.5, 7.1), level=0.99, n_pairs=12), {"ratio": 6.8, "low": 6.5, "high": 7.1, "pairs": 12}),
        (Ratio(value=6.8, ci=None, level=0.99, n_pairs=2), {"ratio": 6.8, "low": None, "high": None, "pairs": 2}),
        (None, {"ratio": None, "low": None, "high": None, "pairs": 0}),
    ],
)
def test_a_comparison_prints_as_a_row(ratio: Ratio | None, row: dict[str, object]) -> None:
    comparison = Comparison(
        baseline="a", candidate="b", runtime="openvino", batch=1, threads=2, ratio=ratio, aa_null=None,
        stopped="target", claim=Claim(status="refused", text=""),
    )  # fmt: skip
    assert comparison.row() == {"runtime": "openvino", "batch": 1, "threads": 2, "status": "refused"} | row
