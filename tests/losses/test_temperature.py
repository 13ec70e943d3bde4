from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.losses.temperature import Path, Temperatures, dynamic, softened, temperature_at
from tests.losses.logits import pairs

PROGRESS, TEMPERATURES, PATHS = st.floats(0, 1), st.floats(0.1, 50), st.sampled_from(["linear", "cosine"])


@pytest.mark.parametrize(
    ("path", "progress", "expected"),
    [("linear", 0.25, 7.0), ("linear", 0.5, 5.0), ("cosine", 1 / 3, 7.0), ("cosine", 0.5, 5.0), ("cosine", 2 / 3, 3.0)],
)
def test_a_temperature_goes_from_9_to_1(path: Path, progress: float, expected: float):
    # cos(pi / 3) is 1/2, so a third of the way the cosine has 3/4 of the fall before it
    assert temperature_at(progress, 9.0, 1.0, path) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(start=TEMPERATURES, end=TEMPERATURES, path=PATHS)
def test_it_begins_and_ends_where_it_was_told(start: float, end: float, path: Path):
    assert temperature_at(0.0, start, end, path) == pytest.approx(start, rel=1e-12)
    assert temperature_at(1.0, start, end, path) == pytest.approx(end, rel=1e-12)


@settings(deadline=None)
@given(early=PROGRESS, late=PROGRESS, start=TEMPERATURES, end=TEMPERATURES, path=PATHS)
def test_it_never_turns_back(early: float, late: float, start: float, end: float, path: Path):
    early, late = sorted((early, late))
    first, second = (temperature_at(progress, start, end, path) for progress in (early, late))
    # 1e-12 is for rounding
    assert (second - first) * (end - start) >= -1e-12


@settings(deadline=None)
@given(pair=pairs(), temperature=TEMPERATURES)
def test_a_softened_loss_is_that_of_cooled_logits_times_the_squared_temperature(
    pair: tuple[Tensor, Tensor], temperature: float
):
    found = softened(logit_mse, *pair, Temperatures(temperature, temperature))
    # for a loss that is itself quadratic the two cancel
    torch.testing.assert_close(found, logit_mse(*pair), rtol=1e-9, atol=1e-12)


def test_each_sample_has_its_own_temperatures():
    logits = torch.tensor([[6.0, 0.0], [6.0, 0.0]])
    at = Temperatures(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [6.0]]))
    # differences 6 - 3 and 2 - 1; half of their squares, times 1 * 2 and 3 * 6
    assert softened(logit_mse, logits, logits, at).tolist() == [9.0, 9.0]
    assert softened(logit_mse, logits, logits, at._replace(weight=3.0)).tolist() == [27.0, 27.0]


def test_the_sharper_of_two_nets_gets_the_higher_temperature():
    # largest logits above the mean: 1 of the student, 3 of the teacher
    student, teacher = torch.tensor([[8.0, 6.0]]), torch.tensor([[-3.0, 3.0]])
    found = dynamic(student, teacher, 4.0)
    assert (found.student.tolist(), found.teacher.tolist()) == ([[2.0]], [[6.0]])


@settings(deadline=None)
@given(pair=pairs(), temperature=TEMPERATURES, shift=st.floats(-10, 10))
def test_dynamic_temperatures_have_the_given_one_as_their_mean_and_make_both_nets_as_sharp(
    pair: tuple[Tensor, Tensor], temperature: float, shift: float
):
    student, teacher = pair
    found = dynamic(student + shift, teacher, temperature)
    mean = torch.full_like(found.student, temperature)
    torch.testing.assert_close((found.student + found.teacher) / 2, mean, rtol=1e-9, atol=0)
    heights = [
        (logits / at).amax(1) - (logits / at).mean(1)
        for logits, at in ((student, found.student), (teacher, found.teacher))
    ]
    torch.testing.assert_close(heights[0], heights[1], rtol=1e-6, atol=1e-9)


def test_nets_of_the_same_logits_keep_the_given_temperature():
    logits = torch.tensor([[0.0, 3.0, 9.0]])
    assert dynamic(logits, logits, 4.0, 3.0) == (4.0, 4.0, 3.0)


def test_equal_logits_have_a_temperature_and_a_finite_gradient():
    student = torch.full((1, 3), 7.0, requires_grad=True)
    at = dynamic(student, torch.tensor([[0.0, 1.0, 5.0]]), 4.0)
    assert not at.student.requires_grad
    softened(soft_targets, student, torch.tensor([[0.0, 1.0, 5.0]]), at).sum().backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
