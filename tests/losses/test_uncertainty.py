from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kdeploy.losses.hooks import Context
from kdeploy.losses.uncertainty import entropy, mix_by_certainty, select_uncertain, weight_by_entropy
from tests.losses.logits import pairs


def context_of(student: Tensor, members: Tensor | None = None) -> Context:
    numbers = torch.arange(len(student))
    return Context(student, student, numbers, numbers, 0, 0.0, members)


def test_the_entropy_is_that_of_the_outputs():
    # 3/4 and 1/4
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert entropy(torch.tensor([[math.log(3), 0.0]])).tolist() == pytest.approx([expected], rel=1e-6)
    # a sure output has the probability 0 for the others, and no NaN for it
    assert entropy(torch.tensor([[1000.0, 0.0]])).tolist() == [0.0]


@settings(deadline=None)
@given(pair=pairs())
def test_a_weight_is_a_share_of_the_most_that_a_student_can_be_unsure(pair: tuple[Tensor, Tensor]):
    found = weight_by_entropy(context_of(pair[0].requires_grad_()))
    assert found.shape == (len(pair[0]),)
    assert not found.requires_grad
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    even = weight_by_entropy(context_of(torch.zeros_like(pair[0])))
    torch.testing.assert_close(even, torch.ones_like(even), rtol=1e-12, atol=0)


def test_the_least_sure_share_of_a_batch_is_selected():
    student = torch.tensor([[9.0, 0.0], [0.5, 0.0], [3.0, 0.0], [-1.0, 0.0]])
    assert select_uncertain(context_of(student), 0.5).tolist() == [False, True, False, True]
    assert select_uncertain(context_of(student), 0.7).tolist() == [False, True, True, True]


@settings(deadline=None)
@given(pair=pairs(), share=st.floats(0.01, 1))
def test_no_sample_left_out_is_less_sure_than_one_selected(pair: tuple[Tensor, Tensor], share: float):
    student, _ = pair
    found = select_uncertain(context_of(student), share)
    assert found.sum() == max(1, round(share * len(student)))
    left = entropy(student)[~found]
    assert left.numel() == 0 or left.max() <= entropy(student)[found].min()


def test_of_samples_that_are_as_sure_the_first_are_selected():
    assert select_uncertain(context_of(torch.zeros(4, 3)), 0.5).tolist() == [True, True, False, False]


def test_a_member_weighs_one_over_the_number_of_classes_it_hesitates_between():
    # the first hesitates between two classes, the second between all four
    members = torch.tensor([[[0.0, 0.0, -1e9, -1e9]], [[0.0] * 4]])
    found = mix_by_certainty(context_of(torch.zeros(1, 4), members))
    torch.testing.assert_close(found, torch.tensor([[2 / 3, 1 / 3]]), rtol=1e-6, atol=0)


@settings(deadline=None)
@given(pair=pairs())
def test_the_weights_of_the_members_add_up_and_follow_their_order(pair: tuple[Tensor, Tensor]):
    found = mix_by_certainty(context_of(pair[0], torch.stack([*pair, pair[0]])))
    assert found.shape == (len(pair[0]), 3)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)).double(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found[:, 0], found[:, 2], rtol=1e-12, atol=0)
    surer = entropy(pair[0]) < entropy(pair[1])
    assert ((found[:, 0] > found[:, 1]) == surer).all()
