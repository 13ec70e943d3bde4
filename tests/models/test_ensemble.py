from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kdeploy.models.ensemble import Ensemble, Rule, combine


@st.composite
def members(draw: st.DrawFn) -> tuple[Tensor, tuple[float, ...]]:
    """Logits (members, rows, classes), and weights that sum to 1."""
    count, rows, classes = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(2, 6))
    logits = np.random.default_rng(draw(st.integers(0, 999))).normal(0, 8, (count, rows, classes))
    weights = draw(st.lists(st.floats(0.01, 10), min_size=count, max_size=count))
    return torch.from_numpy(logits), tuple(weight / sum(weights) for weight in weights)


@settings(deadline=None)
@given(members())
def test_the_mean_of_probabilities_has_the_weighted_mean_as_its_softmax(found):
    logits, weights = found
    mean = sum(weight * one.softmax(-1) for weight, one in zip(weights, logits, strict=True))
    # float64, a few operations
    torch.testing.assert_close(
        combine(logits, Rule("probabilities", weights)).softmax(-1), mean, rtol=1e-12, atol=1e-14
    )


@settings(deadline=None)
@given(members(), st.floats(0.5, 20))
def test_the_mean_of_logits_softens_as_its_members_do(found, temperature):
    logits, weights = found
    softened = combine(logits, Rule("logits", weights)) / temperature
    torch.testing.assert_close(softened, combine(logits / temperature, Rule("logits", weights)), rtol=1e-12, atol=1e-12)


def test_weights_worked_out_by_hand():
    logits = torch.tensor([[[0.0, 4.0]], [[8.0, 0.0]]])
    assert combine(logits, Rule("logits", (0.75, 0.25))).tolist() == [[2.0, 3.0]]


def test_one_sure_member_does_not_overflow_the_mean_of_probabilities():
    logits = torch.tensor([[[1e4, 0.0]], [[0.0, 1e4]]])
    # each is all but certain of its class, so both classes have probability one half
    torch.testing.assert_close(
        combine(logits, Rule("probabilities", (0.5, 0.5))), torch.full((1, 2), -float(np.log(2))), rtol=1e-6, atol=0
    )


def test_the_module_combines_what_its_members_answer():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets, batch = [nn.Linear(4, 3) for _ in range(3)], torch.rand(5, 4)
    rule = Rule("probabilities", (0.2, 0.3, 0.5))
    with torch.inference_mode():
        expected = combine(torch.stack([net(batch) for net in nets]), rule)
        assert torch.equal(Ensemble(nets, rule)(batch), expected)
    assert expected.shape == (5, 3)
