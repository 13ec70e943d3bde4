"""Where ONNX's reference evaluator has a gap, another judges, and says so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.models.signature import signature
from kdeploy.parity import second_oracle
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.truth import GraphTruth, onnx_oracle
from kdeploy.runtimes import installed
from tests import made

DRAWS = np.random.default_rng(0)


def quantized(path: Path) -> Path:
    """x and the weights through int8 and back, as quantizers write it; the evaluator has it from opset 19 on."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "step", "zero"], ["e"]),
        helper.make_node("MatMul", ["d", "e"], ["y"]),
    ]
    weights = DRAWS.integers(-100, 100, (4, 3)).astype(np.int8)
    return made.graph(path, nodes, (4,), 3, step=np.float32(0.01), zero=np.int8(0), w=weights)


def grouped(path: Path) -> Path:
    """A transposed convolution in groups, which the evaluator cannot run, nor ONNX Runtime in float64."""
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w"], ["c"], group=3),
        helper.make_node("ReduceMean", ["c"], ["y"], axes=[2, 3], keepdims=0),
    ]
    return made.graph(path, nodes, (6, 4, 4), 3, w=DRAWS.standard_normal((6, 1, 3, 3)).astype(np.float32))


def test_the_opset_is_raised_to_what_the_evaluator_has(tmp_path):
    path, inputs = quantized(tmp_path / "q.onnx"), DRAWS.random((6, 4), np.float32)
    oracle = onnx_oracle(path, inputs)
    weights = numpy_helper.to_array(onnx.load(path).graph.initializer[2]) * np.float64(np.float32(0.01))
    steps = np.clip(np.rint(inputs / np.float32(0.01)), -128, 127) * np.float64(np.float32(0.01))
    np.testing.assert_allclose(oracle.logits, steps @ weights, rtol=0, atol=1e-12)
    assert (oracle.by, oracle.exact) == ("ONNX's reference evaluator in float64, at opset 19", True)


def test_onnx_runtime_in_float64_judges_where_it_has_the_operators(tmp_path, monkeypatch: pytest.MonkeyPatch):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = made.graph(tmp_path / "a.onnx", nodes, (4,), 3, w=DRAWS.standard_normal((4, 3)).astype(np.float32))
    inputs = DRAWS.random((6, 4), np.float32)
    monkeypatch.setattr(second_oracle, "_raised", cannot)
    _, oracle = second_oracle.second_oracle(path, signature(path), inputs, ModelError(str(path), "must run"))
    expected = onnx_oracle(path, inputs)
    np.testing.assert_allclose(oracle.logits, expected.logits, rtol=0, atol=1e-14)
    assert 0 < oracle.float32_error < 1e-6
    assert (oracle.by, oracle.exact) == ("ONNX Runtime in float64", True)


def cannot(*_: object) -> second_oracle.Judge:
    raise ModelError("a.onnx", "must run")


def judged_by(given: dict[str, np.ndarray | None], path: Path, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """The oracle of a graph that only runtimes take, when they answer this."""
    monkeypatch.setattr(second_oracle, "answered", lambda _path, name, *_: given[name])
    monkeypatch.setattr(installed, "deployable", lambda: [*given])
    return GraphTruth(path, "").oracle(np.zeros((1, 6, 4, 4), np.float32))


def test_runtimes_judge_each_other_by_the_median_and_a_copy_has_no_vote(tmp_path, monkeypatch: pytest.MonkeyPatch):
    right = np.array([[1.0, 2.0, 3.0]], np.float32)
    close, wrong = np.nextafter(right, np.float32(9)), right + np.float32(0.5)
    given = {"a": wrong, "b": wrong, "c": right, "d": close, "e": None}
    oracle = judged_by(given, grouped(tmp_path / "g.onnx"), monkeypatch)
    np.testing.assert_array_equal(oracle.logits, close)
    assert oracle.float32_error == np.abs(close - right).max()
    assert (oracle.by, oracle.exact) == ("a, c and d among each other in float32", False)


def test_two_runtimes_that_are_far_apart_are_no_noise_of_float32(tmp_path, monkeypatch: pytest.MonkeyPatch):
    one = np.array([[1.0, 2.0, 3.0]], np.float32)
    oracle = judged_by({"a": one, "b": one + 0.5}, grouped(tmp_path / "g.onnx"), monkeypatch)
    assert 0 < oracle.float32_error < 1e-5


def test_runtimes_that_all_answer_the_same_agree(tmp_path, monkeypatch: pytest.MonkeyPatch):
    given = {"onnxruntime": np.ones((1, 3), np.float32), "ncnn": np.ones((1, 3), np.float32), "tract": None}
    oracle = judged_by(given, grouped(tmp_path / "g.onnx"), monkeypatch)
    assert (oracle.by, oracle.float32_error) == ("onnxruntime and ncnn among each other in float32", 0)


def test_what_differs_on_some_inputs_may_be_the_same_on_others(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path, inputs = grouped(tmp_path / "g.onnx"), DRAWS.random((2, 6, 4, 4), np.float32)
    truth, first = GraphTruth(path, ""), np.ones((2, 3), np.float32)
    given = {"onnxruntime": first, "ncnn": np.nextafter(first, np.float32(9))}
    monkeypatch.setattr(second_oracle, "answered", lambda _path, name, _input, rows: given[name] * bool(rows.any()))
    monkeypatch.setattr(installed, "deployable", lambda: [*given])
    assert truth.oracle(inputs).logits.max() > 0
    np.testing.assert_array_equal(truth.oracle(np.zeros_like(inputs)).logits, np.zeros((2, 3)))


def test_one_library_under_two_names_judges_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    given = {"onnxruntime": np.ones((1, 3), np.float32), "ort": np.ones((1, 3), np.float32)}
    with pytest.raises(ModelError, match="or at least two of the runtimes that are here"):
        judged_by(given, grouped(tmp_path / "g.onnx"), monkeypatch)


def test_one_runtime_alone_judges_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path = grouped(tmp_path / "g.onnx")
    with pytest.raises(ModelError) as caught:
        judged_by({"a": np.ones((1, 3), np.float32), "b": None}, path, monkeypatch)
    assert re.fullmatch(
        rf"{path}: must be a model that ONNX's reference evaluator runs, or at least two of the runtimes that are here "
        r"\(.*reshape.*\)\. Install another runtime: kdeploy doctor names them\.",
        str(caught.value),
    )
