"""What a graph must answer, in float64: as the network that it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.graphs import export
from kdeploy.models import deep
from kdeploy.parity.module_truth import module_oracle
from kdeploy.parity.oracle import GraphOracle, Oracle
from kdeploy.parity.truth import onnx_oracle
from tests.models.test_classifier import linear_model
from tests.parity.test_compare import INPUTS, model_file, oracle

__all__ = ["model_file", "oracle"]  # fixtures


def test_the_head_of_an_oracle_keeps_the_noise_of_all(oracle: Oracle):
    head = oracle.head(3)
    assert np.array_equal(head.logits, oracle.logits[:3])
    assert head.float32_error == oracle.float32_error


def test_the_oracle_of_a_file_is_that_of_the_net_it_came_from(tmp_path: Path):
    net = deep.seeded(0, shape=(1, 8, 8), classes=4, mean=(0.5,), std=(0.25,)).eval()
    inputs = INPUTS[:8]
    export.write(net, tmp_path / "m.onnx", input_name="image", shape=(1, 8, 8))
    found, expected = onnx_oracle(tmp_path / "m.onnx", inputs), module_oracle(net, inputs)
    assert found.logits.dtype == np.float64
    # the exporter folds batch norm into float32 weights: their rounding stays, 2^-24 a weight
    np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-6 * np.abs(expected.logits).max())
    assert 0 < found.float32_error < 1e-5


def test_the_oracle_of_a_file_without_batch_norm_is_exact(model_file: Path, oracle: Oracle):
    found = onnx_oracle(model_file, INPUTS[:16])
    np.testing.assert_allclose(found.logits, oracle.logits[:16], rtol=0, atol=1e-13)


def test_the_oracle_of_a_file_knows_its_input_from_weights_that_are_listed_as_inputs(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx", weight_as_input=True)
    inputs = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert onnx_oracle(path, inputs).logits.tolist() == [[16.0, 22.0]]


def test_a_graph_that_is_read_answers_though_its_file_has_gone(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx")
    truth, inputs = GraphOracle(path), np.ones((2, 3), np.float32)
    before = truth(inputs)
    path.unlink()
    assert np.array_equal(truth(inputs).logits, before.logits)


def test_inputs_that_the_evaluator_cannot_take_are_refused(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError) as caught:
        GraphOracle(path)(np.ones((2, 4), np.float32))
    assert str(caught.value) == (
        f"{path}: must be a model that ONNX's reference evaluator reads ({caught.value.got}). "
        "Check the path, or export the model again."
    )
