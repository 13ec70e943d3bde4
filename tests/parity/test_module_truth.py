"""What a trained torch module must answer, in float64, and which node of a graph is not that."""

from __future__ import annotations

import copy

import numpy as np
import torch

from kdeploy.parity.module_truth import ModuleTruth
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
