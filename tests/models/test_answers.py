from __future__ import annotations

import numpy as np
import pytest
import torch

from kdeploy.errors import MeasuredError, ModelError, NonFiniteError
from kdeploy.models import answers


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_of_any_float_are_taken_as_they_are(dtype: torch.dtype):
    logits = torch.rand(4, 3).to(dtype)
    assert answers.logits_from(logits, 4, "net") is logits


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (None, "NoneType"),
        (np.zeros((4, 3), np.float32), "ndarray"),
        (torch.zeros(4, 3, dtype=torch.complex64), "complex64 of shape (4, 3)"),
        (torch.zeros(3, 3), "float32 of shape (3, 3)"),
        (torch.zeros(4), "float32 of shape (4,)"),
    ],
)
def test_anything_else_is_refused(answer: object, got: str):
    with pytest.raises(ModelError) as caught:
        answers.logits_from(answer, 4, "net")
    must = "must answer with logits, one tensor of floats of shape (batch, classes), for 4 inputs"
    assert str(caught.value) == f"net: {must} ({got})."


def test_inputs_without_a_finite_answer_are_counted():
    answer = torch.zeros(4, 3)
    assert answers.must_be_finite(answer, "net") is answer
    answer[0, 1], answer[0, 2], answer[3, 0] = float("nan"), float("inf"), -float("inf")
    with pytest.raises(NonFiniteError) as caught:
        answers.must_be_finite(answer, "net")
    assert str(caught.value) == "net: must answer with finite numbers (NaN or infinity for 2 of 4 inputs)."


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e6])
def test_an_answer_that_is_rounded_otherwise_is_the_same(scale: float):
    batch = scale * torch.linspace(1, 2, 6).reshape(2, 3)
    answers.must_repeat(lambda one: one, lambda one: one * (1 + 5e-6), batch, "net")


def test_one_may_write_into_what_it_is_given():
    batch = torch.ones(2, 3)
    answers.must_repeat(lambda one: one.mul_(2), lambda one: one.mul_(2), batch, "net")
    assert batch.eq(1).all()


def test_another_answer_is_measured():
    with pytest.raises(MeasuredError) as caught:
        answers.must_repeat(lambda one: one, lambda one: one + 0.25, torch.ones(2, 3), "net")
    assert str(caught.value) == (
        "net: must answer the same when it is asked twice in evaluation mode (its logits differ by up to 0.25). "
        "Take out what is random or counts its calls, and make what it computes with parameters or buffers."
    )
