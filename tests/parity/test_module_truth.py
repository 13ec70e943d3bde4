"""What a trained torch module must answer, in float64, and which node of a graph is not that."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kdeploy.graphs import export
from kdeploy.parity.module_truth import ModuleTruth, module_oracle
from kdeploy.parity.oracle import Oracle
from tests.parity.test_compare import INPUTS, NET, oracle

__all__ = ["oracle"]  # a fixture


def test_the_oracle_is_the_net_in_float64_and_leaves_it_in_float32(oracle: Oracle):
    with torch.inference_mode():
        exact = copy.deepcopy(NET).double()(torch.from_numpy(INPUTS).double()).numpy()
    # the oracle is computed in batches; float64 rounds at 1e-16
    np.testing.assert_allclose(oracle.logits, exact, rtol=0, atol=1e-13)
    assert oracle.logits.dtype == np.float64
    assert 0 < oracle.float32_error < 1e-5
    assert {value.dtype for value in NET.parameters()} == {torch.float32}


def test_the_truth_of_a_module_is_its_oracle_its_logits_and_every_value(oracle: Oracle):
    truth = ModuleTruth(NET)
    assert truth.name == "the trained network"
    assert np.array_equal(truth.oracle(INPUTS).logits, oracle.logits)
    np.testing.assert_allclose(truth.logits(INPUTS), oracle.logits, rtol=0, atol=1e-5)
    values = truth.values(INPUTS[:3])
    assert np.array_equal(values[0].exact, INPUTS[:3].reshape(3, -1))
    np.testing.assert_allclose(values[-1].exact, oracle.logits[:3], rtol=0, atol=1e-12)


def test_a_net_that_was_rounded_is_compared_with_the_exact_one():
    exact = copy.deepcopy(NET).double()
    with torch.no_grad():
        for weight in exact.parameters():
            weight.add_(1e-12)
    found = ModuleTruth(NET, exact).oracle(INPUTS[:4]).logits
    with torch.inference_mode():
        assert np.array_equal(found, exact(torch.from_numpy(INPUTS[:4]).double()).numpy())


class LongMean(nn.Module):
    """The mean of so many equal numbers that it matters how they are added."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.last(batch.mean((2, 3)))


def test_the_noise_of_a_long_mean_is_that_of_adding_one_by_one(tmp_path: Path):
    net, path = LongMean().eval(), tmp_path / "mean.onnx"
    nn.init.ones_(net.last.weight)
    export.write(net, path, input_name="image", shape=(1, 100, 100))
    inputs = np.full((3, 1, 100, 100), 0.1, np.float32)
    alone, with_graph = module_oracle(net, inputs), module_oracle(net, inputs, graph=path)
    assert np.array_equal(alone.logits, with_graph.logits)
    by_hand = abs(np.add.accumulate(inputs[0].ravel())[-1] / np.float32(10_000) - inputs[0, 0, 0, 0].astype(float))
    assert with_graph.float32_error == pytest.approx(by_hand, rel=0.01)
    assert with_graph.float32_error > 50 * alone.float32_error


def test_a_graph_that_is_wrong_gets_no_budget_for_that(tmp_path: Path):
    net, other, path = LongMean().eval(), LongMean().eval(), tmp_path / "other.onnx"
    nn.init.ones_(net.last.weight)
    nn.init.constant_(other.last.weight, 2.0)
    export.write(other, path, input_name="image", shape=(1, 4, 4))
    inputs = np.full((3, 1, 4, 4), 0.1, np.float32)
    assert module_oracle(net, inputs, graph=path).float32_error < 1e-6
