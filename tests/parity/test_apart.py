"""A runtime in a child of its own: whatever it does to a model there, it comes back as a row or as a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from kdeploy.parity import apart
from kdeploy.parity.apart import Job, outcome
from kdeploy.parity.expected import Expected
from kdeploy.parity.truth import onnx_oracle
from kdeploy.runtimes import installed
from tests import made

needs_tract = pytest.mark.skipif("tract" not in installed.available(), reason="tract is not installed, which hangs")


def recurrent(path: Path) -> Path:
    """An LSTM over 4 steps, whose last state is turned into logits."""
    draws = np.random.default_rng(0)
    w, r, out = (draws.standard_normal(shape).astype(np.float32) for shape in ((1, 24, 3), (1, 24, 6), (6, 5)))
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r"], ["", "last"], hidden_size=6),
        helper.make_node("Squeeze", ["last", "axis"], ["state"]),
        helper.make_node("MatMul", ["state", "out"], ["y"]),
    ]
    return made.graph(path, nodes, (4, 3), 5, w=w, r=r, out=out, axis=np.array([0]))


def endless(path: Path) -> Path:
    """An Einsum that tract never loads."""
    nodes = [
        helper.make_node("Reshape", ["x", "lengths"], ["three"]),
        helper.make_node("Einsum", ["three", "w"], ["z"], equation="bij,jk->bk"),
        helper.make_node("Identity", ["z"], ["y"]),
    ]
    w = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    return made.graph(path, nodes, (3, 8, 8), 5, lengths=np.array([0, 3, 64]), w=w)


def job(path: Path, runtime: str, *shape: int) -> Job:
    inputs = np.random.default_rng(1).random((4, *shape), np.float32)
    Expected(inputs, onnx_oracle(path, inputs), against="its own graph in float64").save(path.with_suffix(".npz"))
    return Job(path, path.name, runtime, path.with_suffix(".npz"))


def test_a_runtime_that_an_empty_batch_ends_is_compared_without_it_and_that_is_said(tmp_path):
    row, reason = outcome(job(recurrent(tmp_path / "lstm.onnx"), "onnxruntime", 4, 3))
    assert reason == "it ended with signal 6 at batch 0"
    assert row is not None
    assert (row.passed, row.batches) == (True, (1, 2, 3, 7, 32, 256))


@needs_tract
def test_a_runtime_that_never_ends_is_a_reason(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apart, "SECONDS", 1)
    row, reason = outcome(job(endless(tmp_path / "net.onnx"), "tract", 3, 8, 8))
    assert (row, reason) == (None, "it did not end within 1 s of processor time at loading")


@pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
def test_a_runtime_that_refuses_is_a_reason(tmp_path):
    row, reason = outcome(job(recurrent(tmp_path / "lstm.onnx"), "ncnn", 4, 3))
    assert row is None
    assert reason is not None
    assert reason.startswith("ncnn ")


def test_a_form_is_proved_on_its_inputs_alone(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    row, reason = outcome(job(path, "onnxruntime", 1, 4, 4)._replace(whole=False))
    assert reason is None
    assert row is not None
    assert (row.passed, row.families, row.oracle) == (True, (), "ONNX's reference evaluator in float64")


def test_the_reference_evaluator_is_left_out_where_it_is_too_slow(tmp_path, monkeypatch: pytest.MonkeyPatch):
    asked = job(made.linear(tmp_path / "a.onnx", (1, 4, 4)), "reference", 1, 4, 4)
    request = {key: str(value) if isinstance(value, Path) else value for key, value in asked._asdict().items()}
    monkeypatch.setattr("kdeploy.parity.extent.REFERENCE_MULTIPLY_ADDS", 100)
    found = apart.compared(request | {"seconds": 20, "empty": True}, lambda _: None)
    assert found == {"row": None, "refused": apart.TOO_SLOW}
