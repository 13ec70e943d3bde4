"""The truth of a graph: in float64, in float32, and every value on its way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdeploy.models.signature import signature
from kdeploy.parity import truth as module
from kdeploy.parity.truth import GraphTruth
from tests.models.test_classifier import WEIGHT, linear_model

INPUTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_the_truth_of_a_graph_is_its_oracle_its_logits_and_every_value(tmp_path: Path):
    truth = GraphTruth(linear_model(tmp_path / "m.onnx"), "its graph")
    assert truth.name == "its graph"
    assert np.array_equal(truth.oracle(INPUTS).logits, INPUTS.astype(np.float64) @ WEIGHT)
    assert np.array_equal(truth.logits(INPUTS), INPUTS @ WEIGHT)
    assert [value.exact.shape for value in truth.values(INPUTS)] == [(2, 3), (2, 2)]


def test_a_graph_is_read_once_for_all_its_oracles_and_a_known_signature_not_again(tmp_path, monkeypatch):
    path, read = linear_model(tmp_path / "m.onnx"), []
    known = signature(path)
    monkeypatch.setattr(module, "GraphOracle", lambda path: read.append(path) or (lambda inputs: inputs))
    monkeypatch.setattr(module, "signature", lambda path: read.append("signature"))
    truth = GraphTruth(path, "its graph", known)
    assert truth.oracle(INPUTS) is truth.oracle(INPUTS) is INPUTS
    assert read == [path]
