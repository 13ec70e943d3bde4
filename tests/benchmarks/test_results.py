"""benchmarks/results.py says of what is missing why it is missing."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Literal

import pytest

from kdeploy.records.distill import Verdict
from kdeploy.records.report import BenchRow
from tests.program import REPOSITORY


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("results")


def verdict(inputs: tuple[float, float] | None, reason: str) -> Verdict:
    return Verdict(
        status="NO EVIDENCE",
        difference=None,
        seeds_interval=None,
        inputs_interval=inputs,
        level=0.95,
        reason=reason,
        not_covered="one teacher",
    )


def row(status: Literal["supported", "refused"], *reasons: str) -> BenchRow:
    return BenchRow(
        runtime="onnxruntime",
        batch=1,
        threads=1,
        status=status,
        ratio=3.2,
        low=3.1,
        high=3.3,
        level=0.99,
        pairs=24,
        reasons=reasons,
        claim="",
        teacher_ns=4_000_000,
        student_ns=1_250_000,
        null_low=None,
        null_high=None,
    )


def test_a_verdict_without_any_interval_says_why(results: ModuleType):
    assert results.shown(verdict(None, "no baseline was trained")) == ", no baseline was trained"
    assert results.shown(verdict((0.0239, 0.0367), "too few seeds")) == (
        ". Seeds: none; test inputs: +2.39 to +3.67 points, at 95%"
    )


def test_a_refused_ratio_says_why_and_a_supported_one_has_no_line(results: ModuleType):
    rows = [row("supported", "said elsewhere"), row("refused", "the latency of all arms drifted by -7.4%")]
    assert results.refusals(rows) == ["- onnxruntime: the latency of all arms drifted by -7.4%", ""]
    assert results.refusals(rows[:1]) == []
