"""External models go through the inspector before anything else reads them; good ones go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.finite import ADVICE
from kdeploy.system.progress import Progress
from kdeploy.verbs import bench_models, external_models
from tests import made
from tests.graphs.inspector import hostile
from tests.models.test_classifier import linear_model


def test_a_good_model_is_verified(tmp_path):
    path = linear_model(tmp_path / "net.onnx")
    rows = external_models.verify_models([path], Progress()).rows
    assert rows
    assert all(row.passed for row in rows)


@pytest.mark.parametrize(
    ("found", "code"),
    [(hostile.endless_loop(), 3), (hostile.external("../canary"), 4), (hostile.dropout(training=True), 5)],
    ids=["loop", "canary", "training"],
)
def test_verify_refuses_with_the_exit_code_and_nobody_else_reads(found, code, tmp_path, command, monkeypatch):
    path = hostile.write(found, tmp_path / "net.onnx")
    monkeypatch.setattr(external_models, "signature", lambda path: pytest.fail("the file was read"))
    assert command("verify", path).code == code


def test_bench_refuses_whichever_of_the_two_is_hostile(tmp_path, command, monkeypatch):
    good = linear_model(tmp_path / "good.onnx")
    bomb = hostile.write(hostile.constant_bomb(), tmp_path / "bomb.onnx")
    monkeypatch.setattr(bench_models, "made_inputs", lambda path: pytest.fail("the file was read"))
    expected = (
        f"error: {bomb}: must hold at most 4294967296 bytes at once while it runs (1000000000016 bytes at one row).\n"
    )
    for pair in ((good, bomb), (bomb, good)):
        found = command("bench", *pair, "--runs", tmp_path / "runs")
        assert found.code == 8
        assert found.stderr.endswith(expected)  # on a busy machine that is said before
    assert not (tmp_path / "runs").exists()


def test_a_missing_model_is_refused(tmp_path, command):
    path = tmp_path / "no.onnx"
    expected = f"error: {path}: must be an ONNX file (there is no such file).\n"
    assert command("verify", path) == (3, "", expected)


@pytest.mark.parametrize("rows", ["rows", 1])
def test_inputs_are_made_for_a_free_or_a_fixed_batch(rows, tmp_path):
    found = external_models.made_inputs(*external_models.admitted([linear_model(tmp_path / "net.onnx", rows=rows)]))
    assert (found.shape, found.dtype) == ((64, 3), np.float32)


def test_an_input_without_axes_is_refused(tmp_path):
    scalar = hostile.model(
        [hostile.node("Expand", ["x", "shape"], "y")],
        inputs=[hostile.value("x", [])],
        outputs=[hostile.value("y", [1, 2])],
        tensors=[hostile.numpy_helper.from_array(np.array([1, 2]), "shape")],
    )
    path = hostile.write(scalar, tmp_path / "net.onnx")
    with pytest.raises(ModelError) as caught:
        external_models.verify_models([path], Progress())
    assert str(caught.value) == (
        f"{path}: must have an input of which only the batch is free (input 'x' of shape (batch, )). "
        "Show and verify take lengths with --shape, as --shape 3,224,224; "
        "for anything else export it with a fixed shape."
    )


CORPUS = Path(__file__).parent / "corpus"
NO_TEXT = r"must have its text in UTF-8 (graph.node[2].op_type is b'Softm\xe1x'). Export the model again."
NO_NUMBER = f"stored tensor 'w' must hold finite numbers (1 of 32 are NaN or infinite). {ADVICE}"
RECIPE = """\
name: given
data: {{numpy: data.npz}}
teacher: [{{onnx: {}}}]
student: {{hidden: [4]}}
"""


@pytest.mark.parametrize(
    ("name", "code", "rest"), [("operator-not-utf8.onnx", 3, NO_TEXT), ("nan-weight.onnx", 5, NO_NUMBER)]
)
@pytest.mark.parametrize("verb", ["show", "export", "verify", "bench", "init", "label"])
def test_the_models_that_once_were_our_bugs_are_refused_at_every_entrance(
    verb, name, code, rest, tmp_path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copyfile(CORPUS / name, tmp_path / name))
    made.points(tmp_path / "data.npz")
    (tmp_path / "given.yaml").write_text(RECIPE.format(name))
    words: dict[str, list[object]] = {
        "bench": [path, linear_model(tmp_path / "good.onnx")],
        "init": ["--teacher", path, "--data", tmp_path / "data.npz"],
        "label": [tmp_path / "given.yaml", "--data-root", tmp_path],
    }
    found = command(verb, *words.get(verb, [path]))
    assert (found.code, found.stderr.splitlines()[-1]) == (code, f"error: {path}: {rest}")
