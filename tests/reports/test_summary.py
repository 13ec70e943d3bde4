from __future__ import annotations

import json

import pytest

from kdeploy.records.report import Summary
from kdeploy.reports.summary import bench_rows
from tests.reports.report_records import bench, comparison, distill, export, parity_row, records, summary, verify

KEYS = {
    *("schema", "name", "recipe", "stages_run", "samples", "teacher", "student", "baseline", "drop_points"),
    *(
        "gap",
        "agreement",
        "assumed",
        "doubts",
        "verdict",
        "bottleneck",
        "bench",
        "parity",
        "bundle",
        "gate",
        "machine",
        "unavailable",
    ),
    "duplicates",
    "outputs",
}


def test_the_json_has_the_promised_keys_and_reads_back():
    found = summary()
    text = found.to_json()
    assert set(json.loads(text)) == KEYS
    assert Summary.from_json(text, where="report.json") == found


def test_accuracies_are_fractions_and_means_over_seeds():
    found = summary()
    assert found.teacher.test_accuracy == 0.9705
    assert found.student.test_accuracy == pytest.approx((0.9675 + 0.966 + 0.9685) / 3, abs=1e-12)
    assert found.baseline is not None
    assert found.baseline.test_accuracy == pytest.approx((0.9445 + 0.942 + 0.9465) / 3, abs=1e-12)
    assert [(score.seed, score.test_accuracy) for score in found.student.per_seed] == [
        (0, 0.9675),
        (1, 0.966),
        (2, 0.9685),
    ]
    assert found.drop_points == pytest.approx(100 * (0.9705 - 0.967333333333), abs=1e-7)


def test_costs_are_those_of_the_exported_files():
    found = summary()
    assert (found.student.parameters, found.student.multiply_adds, found.student.bytes) == (
        440_714,
        1_066_496,
        1_764_300,
    )
    assert (found.teacher.parameters, found.teacher.multiply_adds, found.teacher.bytes) == (
        288_170,
        25_289_984,
        1_156_400,
    )


def test_the_agreement_is_that_of_the_shipped_seed():
    found = summary()
    assert (found.student.exported_seed, found.agreement.value) == (2, 0.983)


def test_without_a_baseline_it_is_null_with_the_verdict_s_reason():
    verdict = distill().verdict.model_copy(update={"difference": None, "reason": "no baseline was asked for"})
    found = summary(records(distill=distill(baselines=(), verdict=verdict), export=export(baseline=None)))
    assert found.baseline is None
    assert ("baseline", "no baseline was asked for") in [(gap.field, gap.reason) for gap in found.unavailable]


def test_a_baseline_that_was_not_exported_has_no_costs():
    found = summary(records(export=export(baseline=None)))
    assert found.baseline is not None
    assert (found.baseline.multiply_adds, found.baseline.bytes, found.baseline.exported_seed) == (None, None, None)
    assert found.baseline.parameters == 440_714


def test_a_bench_row_has_the_ratio_its_interval_and_both_medians():
    row = bench_rows(bench())[1]
    assert (row.runtime, row.batch, row.threads, row.pairs, row.status) == ("openvino", 1, 1, 12, "supported")
    assert (row.low, row.high) == (6.74, pytest.approx(6.74 * 1.06, abs=1e-12))
    assert (row.teacher_ns, row.student_ns) == (1_312_000, 187_500)
    assert (row.null_low, row.null_high) == (0.991, 1.012)


def test_a_refused_bench_row_keeps_its_reasons_and_has_nulls_for_what_is_missing():
    refused = comparison(low=None, status="refused", reasons=("40 % of the blocks are void",))
    (row,) = bench_rows(bench(comparison=(refused,)))
    assert (row.ratio, row.low, row.high, row.level, row.pairs) == (None, None, None, None, 0)
    assert row.reasons == ("40 % of the blocks are void",)


def test_parity_rows_of_the_export_follow_those_of_verify_and_repeat_none():
    again = parity_row("student.fused", "reference", max_abs_error=1.0)
    found = summary(records(verify=verify(rows=(again,))))
    assert [(row.model, row.runtime, row.max_abs_error) for row in found.parity] == [
        ("student.fused", "reference", 1.0),
        ("student.factored", "reference", 4.3e-06),
    ]


def test_stages_that_were_left_out_are_named_as_not_measured():
    found = summary(records(verify=None, bench=None), bundle=None, bundle_reason="the gate failed")
    assert found.bench == () and found.machine.host is None and found.bundle is None
    assert [(gap.field, gap.reason) for gap in found.unavailable] == [
        ("verify", "the runtimes were not compared on real inputs"),
        ("bench", "nothing was timed"),
        ("bundle", "the gate failed"),
    ]
    assert [result.passed for result in found.gate] == [True, False]


def test_what_the_benchmark_did_not_measure_is_passed_on():
    assert [gap.field for gap in summary().unavailable] == ["energy_uj"]


def test_the_forms_of_the_bottleneck_stand_beside_the_reason():
    found = summary().bottleneck
    assert (found.shipped, found.break_even) == ("factored", 473.2)
    assert [(form.form, form.multiply_adds, form.latency_ns) for form in found.forms] == [
        ("fused", 3_843_584, 812_000),
        ("factored", 1_066_496, 240_000),
    ]
