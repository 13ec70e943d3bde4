"""A plan computes what a run would make, and makes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy import api
from kdeploy.records.plan import PlanRecord
from tests.program import STAGES, TINY, inside


def _plan(runs: Path, *overrides: str) -> PlanRecord:
    return api.plan(TINY, api.Options(runs=runs, overrides=overrides))


def test_a_plan_writes_nothing_and_finds_nothing_done(tmp_path):
    plan = _plan(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert [(stage.stage, stage.done) for stage in plan.stages] == [(stage, False) for stage in STAGES]


def test_sizes_are_those_worked_out_by_hand(tmp_path):
    plan = _plan(tmp_path / "runs")
    assert plan.samples == {"labelled": 100, "unlabelled": 300, "held_out": 50, "test": 150}
    # 3 views of 400 samples; 10 classes of 2 bytes
    assert (plan.label_rows, plan.label_bytes) == (1200, 24_000)
    # 28x28x8 outputs of 5x5; 14x14x8 = 1568 features -> 16 -> 64 -> 10
    assert plan.student_multiply_adds == 28 * 28 * 8 * 25 + 1568 * 16 + 16 * 64 + 64 * 10
    assert plan.fused_multiply_adds == 28 * 28 * 8 * 25 + 1568 * 64 + 64 * 10
    assert plan.break_even == pytest.approx(1568 * 64 / (1568 + 64), abs=1e-9)


def test_the_plan_has_a_line_on_samples_that_are_in_the_test_part_too(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(200, 6))
    inputs[1] = inputs[0]
    parts = np.array(["labelled", "test"] + (["labelled"] * 150 + ["held_out"] * 20 + ["test"] * 28))
    np.savez(tmp_path / "a.npz", x=inputs, y=np.arange(200) % 2, part=parts)
    (tmp_path / "a.yaml").write_text("name: a\ndata: {numpy: a.npz}\nteacher: [{model: deep-cnn}]\n")
    found = inside("plan", tmp_path / "a.yaml", "--runs", tmp_path / "runs", "--data-root", tmp_path)
    line = "samples that are in the test part too: 1 of the transfer set, first 0 "
    assert f"{line}(data.duplicates: drop takes them out of it)\n" in found.stdout


def test_labels_are_counted_over_the_transfer_set_that_was_chosen(tmp_path):
    plan = _plan(tmp_path / "runs", "data.transfer.only=[7, 8]")
    # a class has 10 labelled samples and 30 unlabelled; 3 views
    assert plan.label_rows == 3 * 2 * 40


def test_the_plan_says_what_the_run_then_measures(tiny, runs):
    plan, summary = _plan(runs), tiny.outcome.document
    assert (plan.student_parameters, plan.student_multiply_adds) == (
        summary["student"]["parameters"],
        summary["student"]["multiply_adds"],
    )
    assert plan.break_even == summary["bottleneck"]["break_even"]
    assert all(stage.done for stage in plan.stages)


def test_another_recipe_shares_the_teacher_that_is_done(runs):
    plan = _plan(runs, "name=other", "student.hidden=[32]")
    assert [stage.stage for stage in plan.stages if stage.done] == ["samples", "teacher", "labels"]


def test_a_student_without_a_bottleneck_has_no_break_even(tmp_path):
    plan = _plan(tmp_path / "runs", "student.bottleneck=null")
    assert (plan.bottleneck, plan.break_even, plan.fused_multiply_adds) == (None, None, None)


def test_the_command_prints_the_plan(runs):
    found = inside("plan", "tiny", "--runs", runs)
    assert found.code == 0
    assert "label store: 1200 rows, 24.0 kB\n" in found.stdout
    assert "bottleneck: k 16, break-even 61;" in found.stdout
    assert found.stderr == "next: kdeploy run tiny\n"
    assert inside("plan", TINY, "--runs", runs, "--json").document["schema"] == "kdeploy.plan/1"
