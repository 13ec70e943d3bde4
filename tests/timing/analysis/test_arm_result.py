"""Every figure of an arm is there, or has its reason, by the name that the record has for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.records.bench import Arm
from kdeploy.timing import raw
from kdeploy.timing.analysis.arm_result import ArmResult, arm_result
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.roofline import Bounds
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request


def result(folder: Path, script: Script | None = None, **settings: object) -> ArmResult:
    """The candidate of a scripted measurement, from its raw samples alone."""
    asked, script = request(folder, looks=(12,), **settings), script or Script()
    measure(asked, folder / "out", start=script.start, clock=script.clock)
    samples = folder / "out" / raw.NAME
    measured = MeasuredComparison(
        asked.comparisons[0],
        raw.read_replicates(samples)[0],
        raw.read_ends(samples)[0],
        raw.read_optional(samples).get(0, {}),
    )
    return arm_result(measured, "candidate", "student", Bounds(), 0.99)


def test_every_field_that_is_none_has_its_reason_in_the_order_of_a_record(tmp_path: Path) -> None:
    found = result(tmp_path)
    assert found.latency is not None
    assert found.latency.median.value == 100_000
    assert list(found.why_null.items()) == [
        ("parity", "no expected outputs were given"),
        ("quality", "no quality was given"),
        ("compute", "no count was given"),
        ("roofline", "no count was given"),
        ("cold_start_ns", "not asked for"),
        ("sustained", "not asked for"),
        ("energy_uj", "not asked for"),
        ("latency_ns.p999", "a replicate has 1800 calls and this percentile needs 10000"),
    ]
    nulls = {name for name, value in found.fields().items() if value is None}
    assert nulls == set(found.why_null) - {"parity", *(name for name in found.why_null if "." in name)}
    assert found.fields().keys() <= Arm.model_fields.keys()


def test_an_arm_whose_blocks_are_all_void_has_neither_latency_nor_throughput(tmp_path: Path) -> None:
    found = result(tmp_path, Script(counters=lambda _arm, _block: {"wait_ns": 1 << 40}))
    assert (found.latency, found.throughput, found.roofline) == (None, None, None)
    reasons = {name: found.why_null[name] for name in ("latency_ns", "throughput", "roofline")}
    assert set(reasons.values()) == {"every block is void"}


@pytest.mark.parametrize("asked", [{"cold_starts": 2}, {"sustained_ns": 10**9}])
def test_what_was_asked_for_has_no_reason(tmp_path: Path, asked: dict[str, int]) -> None:
    found = result(tmp_path, **asked)
    present = "cold_start_ns" if "cold_starts" in asked else "sustained"
    assert found.fields()[present] is not None
    assert present not in found.why_null
