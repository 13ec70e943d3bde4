"""The answers of one runtime come out of a child, or nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from kdeploy.parity import separate
from kdeploy.runtimes import installed
from kdeploy.runtimes.reference import Reference
from tests import made
from tests.parity.test_apart import needs_tract, recurrent


def test_a_runtime_answers_in_a_child_what_it_answers_here(tmp_path):
    path, inputs = made.linear(tmp_path / "a.onnx", (4,)), np.random.default_rng(0).random((5, 4), np.float32)
    found = separate.answered(path, "onnxruntime", "x", inputs)
    expected = Reference().load(path, threads=1).run({"x": inputs})
    assert found is not None
    np.testing.assert_allclose(found, next(iter(expected.values())), rtol=0, atol=1e-6)


@needs_tract
def test_one_that_ends_the_process_answers_nothing(tmp_path):
    assert separate.answered(recurrent(tmp_path / "a.onnx"), "tract", "x", np.zeros((2, 4, 3), np.float32)) is None


@pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
def test_one_that_refuses_answers_nothing(tmp_path):
    assert separate.answered(recurrent(tmp_path / "a.onnx"), "ncnn", "x", np.zeros((2, 4, 3), np.float32)) is None
