from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.parity import conversion
from kdeploy.parity.conversion import converted
from kdeploy.recipe.formats import FormatRequest
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.runtimes.reference import Reference
from tests import made
from tests.parity.test_apart import endless, needs_tract, recurrent

INPUTS = np.random.default_rng(0).random((40, 4), np.float32)


def source(path: Path, inputs: np.ndarray, calibration: int = 0) -> Source:
    batches = [{"x": inputs[at : at + 16]} for at in range(0, calibration, 16)]
    return Source(path, None, {"x": inputs[:3]}, batches or None)


def test_a_format_is_made_in_a_child_and_answers_there(tmp_path: Path):
    path = made.linear(tmp_path / "net.onnx", (4,))
    (target := tmp_path / "openvino").mkdir()
    found = converted(source(path, INPUTS), FormatRequest("openvino"), target, INPUTS)
    assert found.artefact.parent == target
    assert found.batches == (1, 2, 3, 7, 32)
    expected = Reference().load(path, threads=1).run({"x": INPUTS})
    np.testing.assert_allclose(found.logits, next(iter(expected.values())), rtol=0, atol=1e-5)
    again = installed.find("openvino").load(found.artefact, threads=1).run({"x": INPUTS})
    np.testing.assert_allclose(next(iter(again.values())), found.logits, rtol=0, atol=1e-6)


def test_what_it_is_calibrated_on_comes_along(tmp_path: Path):
    path = made.linear(tmp_path / "net.onnx", (4,))
    (target := tmp_path / "int8").mkdir()
    found = converted(source(path, INPUTS, calibration=40), FormatRequest("onnxruntime", "int8"), target, INPUTS)
    assert found.artefact.is_file()
    assert found.logits.shape == (40, made.CLASSES)


def test_a_precision_that_a_runtime_has_not_is_not_offered(tmp_path: Path):
    path = made.linear(tmp_path / "net.onnx", (4,))
    with pytest.raises(NotOffered):
        converted(source(path, INPUTS), FormatRequest("reference", "int8"), tmp_path, INPUTS)


@needs_tract
def test_a_runtime_that_never_ends_has_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conversion, "SECONDS", 2)
    inputs = np.zeros((4, 3, 8, 8), np.float32)
    with pytest.raises(Refused, match="processor time"):
        converted(source(endless(tmp_path / "net.onnx"), inputs), FormatRequest("tract"), tmp_path, inputs)


def test_a_runtime_answers_in_a_child_what_it_answers_here(tmp_path):
    path, inputs = made.linear(tmp_path / "a.onnx", (4,)), np.random.default_rng(0).random((5, 4), np.float32)
    found = conversion.answered(path, "onnxruntime", "x", inputs)
    expected = Reference().load(path, threads=1).run({"x": inputs})
    assert found is not None
    np.testing.assert_allclose(found, next(iter(expected.values())), rtol=0, atol=1e-6)


@needs_tract
def test_one_that_ends_the_process_answers_nothing(tmp_path):
    assert conversion.answered(recurrent(tmp_path / "a.onnx"), "tract", "x", np.zeros((2, 4, 3), np.float32)) is None


@pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
def test_one_that_refuses_answers_nothing(tmp_path):
    assert conversion.answered(recurrent(tmp_path / "a.onnx"), "ncnn", "x", np.zeros((2, 4, 3), np.float32)) is None
