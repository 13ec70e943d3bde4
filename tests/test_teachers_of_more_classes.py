"""A teacher of more classes than the data have teaches those of the data, taken by their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from kdeploy import api
from kdeploy.errors import DataError, KdeployError, ModelError
from kdeploy.models.classifier import OnnxClassifier
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.verbs.prepare import Options
from tests import made
from tests.program import inside

NAMES = ["bottom", "left", "top", "middle", "right"]  # the data have top, middle and bottom
RECIPE = """\
name: named
data: {numpy: images.npz}
teacher: [{onnx: teacher.onnx%s}]
student: {hidden: [16]}
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    made.images(tmp_path / "images.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8), classes=5)
    return tmp_path


def with_names(folder: Path) -> None:
    """Names in the metadata of the teacher."""
    model = onnx.load(folder / "teacher.onnx")
    onnx.helper.set_model_props(model, {"names": json.dumps(NAMES)})
    onnx.save(model, folder / "teacher.onnx")


def taught(folder: Path, classes: str = "") -> api.Job:
    (folder / "named.yaml").write_text(RECIPE % classes)
    return api.run(folder / "named.yaml", Options(data_root=folder, runs=folder / "runs"), upto="teacher")


def refusal(folder: Path, classes: str, kind: type[KdeployError]) -> str:
    with pytest.raises(kind) as caught:
        taught(folder, classes)
    return str(caught.value)


@pytest.mark.parametrize("place", ["metadata", "list", "file"])
def test_its_logits_of_the_classes_of_the_data_are_learned_from(given: Path, place: str):
    (given / "names.txt").write_text("\n".join(NAMES))
    if place == "metadata":
        with_names(given)
    job = taught(
        given, {"metadata": "", "list": f", classes: {json.dumps(NAMES)}", "file": ", classes: names.txt"}[place]
    )
    record, samples = job.read(TEACHER), job.samples()
    assert record.class_names == samples.class_names == ("top", "middle", "bottom")
    assert record.assumed == ("of the 5 classes of teacher.onnx the data's 3 are taken, by their names",)
    import torch

    inputs = torch.from_numpy(samples.inputs["x"][samples.parts["test"]].astype(np.float32) / 255)
    every = OnnxClassifier(given / "teacher.onnx", threads=1).logits(inputs).numpy()
    stored = np.load(job.folder(TEACHER) / "test_logits.npy")
    np.testing.assert_allclose(stored, every[:, [2, 3, 0]], rtol=1e-5, atol=1e-5)


def test_other_names_are_another_teacher_and_the_same_in_a_file_are_not(given: Path):
    (given / "names.txt").write_text("\n".join(NAMES))
    prints = [
        taught(given, classes).prints[TEACHER.key]
        for classes in (
            f", classes: {json.dumps(NAMES)}",
            ", classes: names.txt",
            f", classes: {json.dumps(NAMES[::-1])}",
        )
    ]
    assert prints[0] == prints[1] != prints[2]


def test_names_that_do_not_fit_are_refused_in_a_sentence(given: Path):
    assert refusal(given, ", classes: [top, middle, left, right, up]", ModelError) == (
        "teacher.onnx: must name every class of the data among its 5 (not bottom). "
        "Name its classes as the data do, in the order of its logits, with teacher.classes."
    )
    assert refusal(given, ", classes: [top, middle, bottom]", ModelError) == (
        "teacher.onnx: must have a name for each of its 5 logits (3). "
        "Name each of its classes in teacher.classes, in the order of its logits."
    )
    assert refusal(given, ", classes: gone.txt", DataError) == (
        "teacher[0].classes: must be a list of names, or a file with one a line "
        f"(gone.txt: no such file in {given} or {given.parent})."
    )


def test_a_draft_takes_them_by_the_names_in_the_metadata(given: Path):
    with_names(given)
    places = ("--teacher", given / "teacher.onnx", "--data", given / "images.npz", "--out", given / "r.yaml")
    found = inside("init", *places, "--no-time", "--json")
    assert (found.code, found.document["classes"]) == (0, 3), found.stderr
    text = (given / "r.yaml").read_text()
    assert "# Assumed: of its 5 classes those of the data are taken, by their names.\n" in text
    assert "gate: {max_drop: 5}  # percentage points below the teacher" in text
