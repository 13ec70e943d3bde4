"""Students of other families go all the way: compact ones, and a module of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import kdeploy
from kdeploy.errors import IntegrityError
from tests import made
from tests.program import STAGES, Outcome, inside, python

RECIPE = """\
name: given
data: {{numpy: data.npz}}
views: {{count: 2}}
teacher: [{{onnx: teacher.onnx}}]
labels: {{kind: logits}}
student: {student}
distill: {{epochs: 2, batch: 32, seeds: 1}}
export: {{bottleneck: {bottleneck}, formats: [onnx, openvino]}}
bench: {{replicates: 2, max_seconds: 1}}
"""

MODULE = """
from torch import nn

def build(width, classes):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * width, 20), nn.ReLU(), nn.Dropout(0.2), nn.Linear(20, classes),
    )
"""

MODULE += """
def build_teacher():
    return build(4, 3)
"""

MINE = '{torch: "mine_as_a_student:build", args: {width: 4, classes: 3}, bottleneck: {layer: "4", rank: 5}}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a teacher, and a module of the user's that can be imported."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mine_as_a_student.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    return tmp_path


def _do(verb: str, folder: Path, student: str, *words: str, bottleneck: str = "fuse") -> Outcome:
    path = folder / "given.yaml"
    path.write_text(RECIPE.format(student=student, bottleneck=bottleneck))
    return inside(verb, path, "--runs", folder / "runs", "--data-root", folder, "--json", *words)


@pytest.mark.parametrize(
    ("student", "bottleneck", "shipped", "folded"),
    [
        ("{compact: {widths: [4, 6], depth: 1}}", "auto", "plain", "2 folded into the convolutions before them"),
        (MINE, "fuse", "fused", "the graph has no batch norm"),
    ],
    ids=["compact", "torch"],
)
def test_a_student_of_another_family_goes_to_a_verified_bundle(
    folder: Path, student: str, bottleneck: str, shipped: str, folded: str
) -> None:
    found = _do("run", folder, student, "--trust", bottleneck=bottleneck)
    assert found.code == 0, found.stderr
    summary = found.document
    assert summary["stages_run"] == list(STAGES)
    assert summary["bottleneck"]["shipped"] == shipped
    assert {row["runtime"] for row in summary["parity"]} >= {"onnxruntime", "openvino", "reference"}
    assert all(row["passed"] for row in summary["parity"])
    [record] = (folder / "runs" / "export").glob("*/record.json")
    folds = {(fold["model"], fold["name"]): fold for fold in json.loads(record.read_bytes())["folds"]}
    assert folds["student", "batch norm"]["reason"] == folded
    bundle = folder / "runs" / summary["bundle"]
    assert inside("verify", bundle).code == 0
    np.save(folder / "rows.npy", np.load(folder / "data.npz")["x"][:2].reshape(2, 1, 8, 8))
    assert python("-I", bundle / "predict.py", folder / "rows.npy", folder=folder).code == 0
    assert _do("run", folder, student, "--trust", bottleneck=bottleneck).document["stages_run"] == []


def test_the_students_code_runs_only_with_trust(folder: Path) -> None:
    refused = _do("label", folder, MINE)
    assert (refused.code, (folder / "runs").exists()) == (4, False)
    assert refused.stderr.splitlines()[-1] == (
        f"error: {folder}/given.yaml:6: student.torch must be trusted, because it runs the code of mine_as_a_student "
        "(got no --trust). Read that code, then pass --trust."
    )


def test_a_student_that_cannot_be_is_refused_before_anything_is_labelled(folder: Path) -> None:
    found = _do("run", folder, MINE.replace("classes: 3", "classes: 4"), "--trust")
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == (
        "error: student.torch mine_as_a_student:build: must give one logit for each of the data's 3 classes "
        "(4 logits). Set the number of its outputs in student.args."
    )
    assert not (folder / "runs" / "labels").exists()


def test_a_student_of_ones_own_teaches_the_next_and_needs_trust_again(folder: Path) -> None:
    assert _do("distill", folder, MINE, "--trust").code == 0
    path = folder / "next.yaml"
    path.write_text(
        RECIPE.format(student="{hidden: [8]}", bottleneck="auto").replace("onnx: teacher.onnx", "run: given")
    )
    path.write_text(path.read_text().replace("name: given", "name: next"))
    words = ("distill", path, "--runs", folder / "runs", "--data-root", folder, "--json")
    refused = inside(*words)
    assert refused.code == 4
    assert refused.stderr.splitlines()[-1] == (
        f"error: {path}:4: teacher[0].run must be trusted, because its student runs the code of mine_as_a_student "
        "(got no --trust). Read that code, then pass --trust."
    )
    assert inside(*words, "--trust").code == 0


def test_logits_of_ones_own_student_are_computed_again_with_trust_alone(folder: Path) -> None:
    assert _do("distill", folder, MINE, "--trust").code == 0
    with pytest.raises(IntegrityError) as caught:
        kdeploy.load_run("given", runs=folder / "runs").student.logits("held_out")
    assert str(caught.value) == (
        "given: must be trusted, because its student runs the code of mine_as_a_student (got no trust). "
        "Read that code, then open the run with trust=True."
    )
    logits = kdeploy.load_run("given", runs=folder / "runs", trust=True).student.logits("held_out")
    assert (logits.dtype, logits.shape[1]) == (np.float32, 3)


def test_a_hint_is_learned_by_a_layer_of_any_student(folder: Path) -> None:
    hints = (
        "--set",
        "labels.kind=features",
        "--set",
        "distill.hint_weight=1",
        "--set",
        "distill.hint_layer=features.0",
    )
    teacher = '--set=teacher=[{torch: "mine_as_a_student:build_teacher"}]'
    found = _do("distill", folder, "{compact: {widths: [4], depth: 1}}", "--trust", teacher, *hints)
    assert found.code == 0, found.stderr
    [weights] = (folder / "runs" / "distill").glob("*/student-0.safetensors")
    from safetensors.torch import load_file

    state = load_file(weights)
    assert not any(name.startswith("projection") for name in state)
    assert all(torch.isfinite(value).all() for value in state.values())


def test_a_student_learns_by_a_loss_of_ones_own_with_trust(folder: Path) -> None:
    (folder / "code" / "my_loss_of_a_student.py").write_text(
        "def absolute(student, teacher):\n    return (student - teacher).abs().mean(dim=1)\n"
    )
    mine = ("--set", "distill.loss=my_loss_of_a_student:absolute")
    refused = _do("distill", folder, "{hidden: [8]}", *mine)
    assert refused.code == 4
    assert refused.stderr.splitlines()[-1] == (
        "error: --set distill.loss: distill.loss must be trusted, because it runs the code of my_loss_of_a_student "
        "(got no --trust). Read that code, then pass --trust."
    )
    found = _do("distill", folder, "{hidden: [8]}", *mine, "--trust")
    assert found.code == 0, found.stderr
    assert found.document["loss"] == "my_loss_of_a_student:absolute"


def test_a_loss_that_is_none_is_refused_before_anything_is_labelled(folder: Path) -> None:
    found = _do("distill", folder, "{hidden: [8]}", "--set", "distill.loss=math:fsum", "--trust")
    assert found.code == 3
    assert "error: math:fsum: must give each sample's loss from the outputs of student and teacher" in found.stderr
    assert not (folder / "runs" / "labels").exists()
