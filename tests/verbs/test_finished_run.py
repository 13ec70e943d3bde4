"""A run as its files have it: records, and the logits of every network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import kdeploy
from kdeploy.errors import InputError
from kdeploy.outputs.classes import CLASSES
from kdeploy.verbs.finished_run import computed_logits
from tests.conftest import TinyRun


@pytest.fixture(scope="module")
def run(tiny: TinyRun) -> kdeploy.FinishedRun:
    return kdeploy.load_run("tiny", runs=tiny.runs)


@pytest.mark.parametrize("part", ["test", "held_out"])
def test_the_logits_of_every_net_have_the_accuracy_that_was_recorded(run: kdeploy.FinishedRun, part: str) -> None:
    targets = run.targets(part)
    nets = [run.teacher, run.student, *run.students, *run.baselines]
    assert len(nets) >= 4
    for net in nets:
        logits = net.logits(part)
        assert (logits.dtype, logits.shape) == (np.float32, (run.samples.counts[part], len(run.class_names)))
        assert CLASSES.quality(logits, targets) == getattr(net.record, f"{part}_accuracy")


def test_held_out_logits_agree_with_the_teacher_as_recorded(run: kdeploy.FinishedRun) -> None:
    found = CLASSES.agreement(run.student.logits("held_out"), run.teacher.logits("held_out"))
    assert found == run.distill.chosen.held_out_agreement


def test_computed_logits_are_those_that_the_stage_stored(run: kdeploy.FinishedRun) -> None:
    net = run.students[0]
    np.testing.assert_allclose(computed_logits(run, net.record, "test"), net.logits("test"), rtol=0, atol=1e-5)


def test_the_records_and_files_of_the_stages_are_there(run: kdeploy.FinishedRun) -> None:
    assert (run.folder("export") / run.export.student.file).is_file()
    assert (run.folder("bundle") / run.bundle.archive).is_file()
    assert (run.folder("report") / run.report.page.file).is_file()
    assert run.verify.passed
    assert run.bench.arms
    assert run.labels.rows > 0
    assert run.student.record == run.distill.chosen


def test_a_job_gives_the_same_as_its_name(tiny: TinyRun) -> None:
    run = kdeploy.load_run(kdeploy.run("tiny", kdeploy.Options(runs=tiny.runs)))
    assert run.distill == kdeploy.load_run("tiny", runs=tiny.runs).distill


def test_another_part_is_refused(run: kdeploy.FinishedRun) -> None:
    for wrong in (run.teacher.logits, run.student.logits, run.targets):
        with pytest.raises(InputError) as caught:
            wrong("training")
        assert str(caught.value) == "part: must be test or held_out (training)."


def test_a_stage_that_is_not_done_is_named_with_the_command_that_does_it(runs: Path) -> None:
    shutil.rmtree(runs / "labels")
    shutil.rmtree(runs / "distill")
    run = kdeploy.load_run("tiny", runs=runs)
    with pytest.raises(InputError) as caught:
        _ = run.student
    done = "samples, teacher, export, verify, bench, bundle, report"
    assert (
        str(caught.value)
        == f"run tiny: must have done the stage 'distill' (done: {done}). Do it: kdeploy distill tiny."
    )
    with pytest.raises(InputError) as caught:
        _ = run.labels
    assert str(caught.value).endswith("Do it: kdeploy label tiny.")


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name, path in (("none", tmp_path / "none.json"), (str(tmp_path / "x.json"), tmp_path / "x.json")):
        with pytest.raises(InputError) as caught:
            kdeploy.load_run(name, runs=tmp_path)
        assert str(caught.value) == f"{name}: must be the name of a run that was begun (no {path}). Runs here: none."
