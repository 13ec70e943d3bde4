"""What stands in the folder of a run is measured again, each time that `kdeploy verify RUN` is asked."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdeploy.records.export import ExportRecord
from tests.altered import come_out_so
from tests.program import inside


@pytest.fixture
def exported(runs: Path) -> Path:
    """The folder of the export of a finished run."""
    [folder] = (runs / "export").iterdir()
    return folder


def failure(runs: Path) -> str:
    found = inside("verify", "tiny", "--runs", runs)
    assert (found.code, found.stdout) == (5, "")
    return found.stderr.splitlines()[-1]


def test_a_student_that_was_changed_since_is_caught_and_the_node_named(runs, exported):
    path = exported / "student.onnx"
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    [tensor] = [one for one in model.graph.initializer if one.name == node.input[1]]
    weight = numpy_helper.to_array(tensor).copy()
    weight.flat[np.abs(weight).argmax()] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    onnx.save(model, path)
    come_out_so(exported, ExportRecord)
    assert re.fullmatch(
        r"error: student on reference: must be within [\d.e-]+ of the trained network on 64 inputs \(off by [\d.e-]+ "
        r"at "
        rf"input \d+, first at node '{node.name}' \(Conv\), \d+ flipped\)\. The model file is not the trained network: "
        r"export it again, and report this if it stays\.",
        failure(runs),
    )


@pytest.mark.parametrize(("key", "model"), [("preprocessing", "student"), ("teacher_preprocessing", "teacher")])
def test_a_wrong_mean_in_the_recorded_preprocessing_is_caught(key, model, runs, exported):
    come_out_so(exported, ExportRecord, lambda record: record[key].update(mean=[0.1]))
    assert re.fullmatch(
        rf"error: {model} on reference: must be fed raw inputs within 0\.0001 of what the trained network was \(off by "
        r"0\.1 at input \d+\)\. The preprocessing in the record of the export is not the trained network's: "
        r"export it again\.",
        failure(runs),
    )


def test_an_honest_run_passes_again_and_says_what_it_tried(runs):
    found = inside("verify", "tiny", "--runs", runs)
    assert found.code == 0, found.stderr
    assert "made inputs: 12 families, at most " in found.stdout
    assert "NaN in, a class out: openvino" in found.stdout
