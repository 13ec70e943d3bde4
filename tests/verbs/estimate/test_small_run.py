"""A small run does every stage of a run, keeps nothing, and refuses what the run refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from kdeploy import api
from kdeploy.errors import MeasuredError, ModelError
from kdeploy.verbs.prepare import Options
from tests import made
from tests.program import STAGES, inside

RECIPE = """\
name: given
data: {numpy: data.npz}
teacher: [{onnx: teacher.onnx}]
views: {count: 3}
student: {hidden: [16]}
distill: {epochs: 2, seeds: 2, batch: 20}
bench: {replicates: 2, max_seconds: 1}
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    made.points(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (2,))
    (tmp_path / "given.yaml").write_text(RECIPE)
    return tmp_path


def test_every_stage_gets_a_time_and_nothing_is_kept(given: Path):
    found = inside("plan", given / "given.yaml", "--data-root", given, "--runs", given / "runs", "--json")
    assert found.code == 0, found.stderr
    stages, time = found.document["stages"], found.document["time"]
    assert [stage["stage"] for stage in stages] == list(STAGES)
    assert all(stage["cost"]["seconds"] > 0 and stage["cost"]["disk_bytes"] > 0 for stage in stages)
    assert time["seconds"] == pytest.approx(sum(stage["cost"]["seconds"] for stage in stages))
    assert time["memory_bytes"] == max(stage["cost"]["memory_bytes"] for stage in stages) > 50e6
    assert (time["reason"], time["shorter"]) == ("", [])
    [teacher] = found.document["teachers"]
    assert teacher["label_rows"] == 3 * (found.document["samples"]["labeled"] + found.document["samples"]["unlabeled"])
    assert teacher["label_seconds"] == pytest.approx(teacher["label_rows"] / teacher["rows_per_second"])
    assert sorted(path.name for path in given.iterdir()) == ["data.npz", "given.yaml", "teacher.onnx"]


def test_a_teacher_that_the_run_refuses_is_refused(given: Path):
    made.linear(given / "teacher.onnx", (2,), classes=5)
    with pytest.raises(ModelError) as caught:
        api.plan(given / "given.yaml", Options(data_root=given, runs=given / "runs"))
    assert str(caught.value) == (
        "teacher.onnx: must give one logit for each of the data's 3 classes (5 logits). "
        "Name its classes in teacher.classes, in the order of its logits, and those of the data are taken."
    )


def test_a_teacher_whose_answers_are_not_numbers_is_refused(given: Path):
    model = onnx.load(given / "teacher.onnx")
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.full((16, 3), 1e38, np.float32), "second"))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.full((2, 16), 1e38, np.float32), "first"))
    onnx.save(model, given / "teacher.onnx")
    with pytest.raises(MeasuredError) as caught:
        api.plan(given / "given.yaml", Options(data_root=given, runs=given / "runs"))
    assert caught.value.exit_code == 5
