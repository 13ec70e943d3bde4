"""Teachers that end in probabilities teach as those that end in logits do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests import made
from tests.program import inside

RECIPE = """\
name: given
data: {{numpy: data.npz}}
teacher: [{teacher}]
student: {{hidden: [16]}}
distill: {{epochs: 2, batch: 32, seeds: 1, baseline: false}}
"""


def distilled(folder: Path, teacher: str, *more: str) -> tuple[int, str]:
    recipe = folder / "given.yaml"
    recipe.write_text(RECIPE.format(teacher=teacher))
    found = inside("distill", recipe, "--data-root", folder, "--runs", folder / "runs", *more)
    return found.code, found.stderr


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_the_student_of_a_teacher_that_ends_in_a_softmax_is_that_of_its_logits(tmp_path: Path, operator: str):
    made.images(tmp_path / "data.npz", 120)
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    students = []
    for end in ([], [operator]):
        folder = tmp_path / "".join(["run", *end])
        folder.mkdir()
        (folder / "data.npz").symlink_to(tmp_path / "data.npz")
        onnx.save(ending_in(tmp_path / "teacher.onnx", *end), folder / "teacher.onnx")
        code, said = distilled(folder, "{onnx: teacher.onnx}")
        assert code == 0, said
        assumed = f"assumed: teacher.onnx ends in {operator}, and what goes into that are its logits"
        assert (assumed in " ".join(said.split())) == bool(end)
        [logits] = folder.glob("runs/distill/*/student-0.test_logits.npy")
        students.append(np.load(logits))
    np.testing.assert_allclose(students[1], students[0], rtol=0, atol=1e-6)


def ending_in(path: Path, *operators: str) -> onnx.ModelProto:
    """The classifier in a file, with such operators behind its logits."""
    model = onnx.load(path)
    for operator in operators:
        model.graph.node[-1].output[0] = "z"
        model.graph.node.append(onnx.helper.make_node(operator, ["z"], ["logits"]))
    return model


MODULE = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.{last})
"""


@pytest.mark.parametrize(
    ("last", "rows"),
    [("Softmax(1)", "probabilities"), ("LogSoftmax(1)", "logarithms of probabilities")],
)
def test_code_that_answers_with_probabilities_is_refused(
    tmp_path: Path, last: str, rows: str, monkeypatch: pytest.MonkeyPatch
):
    made.images(tmp_path / "data.npz", 120)
    name = f"answers_{last[:3].lower()}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(last=last))
    monkeypatch.syspath_prepend(str(tmp_path))
    code, said = distilled(tmp_path, f"{{torch: '{name}:build'}}", "--trust")
    assert code == 3
    assert " ".join(said.split()).endswith(
        f"error: {name}:build: must answer with logits (the rows are {rows}, which sum to 1). Return what goes into "
        "its last softmax."
    )


def test_a_last_sigmoid_is_refused(tmp_path: Path):
    made.images(tmp_path / "data.npz", 120)
    logits = made.linear(tmp_path / "logits.onnx", (1, 8, 8))
    onnx.save(ending_in(logits, "Sigmoid"), tmp_path / "teacher.onnx")
    code, said = distilled(tmp_path, "{onnx: teacher.onnx}")
    assert code == 3
    assert "must give logits of classes of which one is right (Sigmoid at the end" in " ".join(said.split())
