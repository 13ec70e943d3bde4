"""A plan computes what a run would make, and makes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kdeploy import api
from kdeploy.records.plan import PlanRecord
from kdeploy.verbs.prepare import Options
from tests.program import STAGES, TINY, inside


def _plan(runs: Path, *overrides: str) -> PlanRecord:
    return api.plan(TINY, Options(runs=runs, overrides=overrides), timed=False)


def test_a_plan_writes_nothing_and_finds_nothing_done(tmp_path):
    plan = _plan(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert [(stage.stage, stage.done) for stage in plan.stages] == [(stage, False) for stage in STAGES]


def test_sizes_are_those_worked_out_by_hand(tmp_path):
    plan = _plan(tmp_path / "runs")
    assert plan.samples == {"labeled": 100, "unlabeled": 300, "held_out": 50, "test": 150}
    # 3 views of 400 samples; 10 classes of 2 bytes
    assert (plan.label_rows, plan.label_bytes) == (1200, 24_000)
    # 28x28x8 outputs of 5x5; 14x14x8 = 1568 features -> 16 -> 64 -> 10
    assert plan.student_multiply_adds == 28 * 28 * 8 * 25 + 1568 * 16 + 16 * 64 + 64 * 10
    assert plan.fused_multiply_adds == 28 * 28 * 8 * 25 + 1568 * 64 + 64 * 10
    assert plan.break_even == pytest.approx(1568 * 64 / (1568 + 64), abs=1e-9)


def test_the_plan_has_a_line_on_samples_that_are_in_the_test_part_too(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(200, 6))
    inputs[1] = inputs[0]
    parts = np.array(["labeled", "test"] + (["labeled"] * 150 + ["held_out"] * 20 + ["test"] * 28))
    np.savez(tmp_path / "a.npz", x=inputs, y=np.arange(200) % 2, part=parts)
    (tmp_path / "a.yaml").write_text("name: a\ndata: {numpy: a.npz}\nteacher: [{model: deep-cnn}]\n")
    found = inside("plan", tmp_path / "a.yaml", "--no-time", "--runs", tmp_path / "runs", "--data-root", tmp_path)
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
    found = inside("plan", "tiny", "--no-time", "--runs", runs)
    assert found.code == 0
    assert "label store: 1200 rows, 24.4 kB\n" in found.stdout
    assert "teacher deep-cnn: its 1200 labels are stored\n" in found.stdout
    assert "bottleneck: k 16, break-even 61;" in found.stdout
    assert found.stderr == f"next: kdeploy run tiny --runs {runs}\n"
    assert inside("plan", TINY, "--no-time", "--runs", runs, "--json").document["schema"] == "kdeploy.plan/3"


def test_a_teacher_that_is_not_made_has_a_size_and_no_speed(tmp_path):
    [teacher] = _plan(tmp_path / "runs", "labels={kind: topk, top: 2}").teachers
    # 1,200 rows of two float16, two uint16 and a float32
    assert (teacher.name, teacher.made, teacher.label_bytes) == ("deep-cnn", False, 1200 * 12)
    assert (teacher.rows_per_second, teacher.label_seconds) == (None, None)
    assert teacher.reason == "nothing was timed, as asked"


def test_labels_that_are_stored_are_not_timed_and_have_the_size_of_their_files(runs):
    [teacher] = _plan(runs, "labels.kind=logits").teachers
    [blocks] = (path.parent for path in (runs / "labels").rglob("header.json"))
    assert (teacher.stage, teacher.labeled, teacher.reason) == ("teacher", True, "its 1200 labels are stored")
    assert (teacher.rows_per_second, teacher.label_seconds) == (None, None)
    assert teacher.label_bytes == sum(path.stat().st_size for path in blocks.rglob("*.npy"))


def test_the_command_says_of_each_teacher_whether_its_labels_are_stored(runs):
    teachers = inside("plan", TINY, "--no-time", "--runs", runs, "--set", "teacher.0.count=2").stdout
    assert "teacher-0 deep-cnn: its 1200 labels are stored\n" in teachers
    assert "teacher-1 deep-cnn: nothing was timed, as asked\n" in teachers


def test_the_size_of_features_is_known_once_the_teacher_was_asked(tmp_path):
    few = _plan(tmp_path / "none", "labels={kind: features, components: 6}")
    assert few.label_bytes == 1200 * 2 * (10 + 6)
    assert _plan(tmp_path / "none", "labels.kind=features").label_bytes is None
    words = ("--no-time", "--runs", tmp_path / "none", "--set", "labels.kind=features")
    assert "label store: 1200 rows, unknown until the teacher is made\n" in inside("plan", TINY, *words).stdout


def test_every_teacher_of_an_ensemble_is_planned(runs):
    plan = _plan(runs, "teacher.0.count=2")
    assert [(teacher.made, teacher.label_rows) for teacher in plan.teachers] == [(True, 1200), (False, 1200)]
    assert plan.label_rows == 2400


def test_a_package_that_is_not_here_stops_no_plan(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    teacher = "teacher=[{timm: resnet18, pretrained: true}]"
    found = inside("plan", TINY, "--no-time", "--runs", tmp_path, "--set", teacher)
    assert found.code == 0, found.stderr
    assert "missing: timm must be installed. Install it with: pip install 'kdeploy[timm]'.\n" in found.stdout
    assert inside("label", TINY, "--runs", tmp_path, "--set", teacher).code == 7


def test_the_sizes_of_a_student_whose_package_is_not_here_are_not_known(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    words = ("plan", TINY, "--no-time", "--runs", tmp_path, "--set", "student={timm: resnet18}")
    document = inside(*words, "--json").document
    assert document["missing"] == ["timm must be installed. Install it with: pip install 'kdeploy[timm]'."]
    assert (document["student_parameters"], document["student_multiply_adds"]) == (None, None)
    assert "student: its sizes are not known without what is missing\n" in inside(*words).stdout
