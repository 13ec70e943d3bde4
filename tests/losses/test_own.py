"""A loss of the user's own: `package.module:function`, looked at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kdeploy.errors import ModelError
from kdeploy.losses.by_name import loss_of
from kdeploy.losses.hooks import Context
from kdeploy.losses.options import LossOptions
from kdeploy.losses.own import own_loss, try_own

HERE = __name__


def absolute(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean absolute difference of each sample."""
    return (student - teacher).abs().mean(dim=1)


def whole(student: Tensor, teacher: Tensor) -> Tensor:
    return (student - teacher).abs().mean()


def pair(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    return student, teacher


def of_the_teacher(_student: Tensor, teacher: Tensor) -> Tensor:
    return teacher.square().mean(dim=1)


def raises(_student: Tensor, _teacher: Tensor) -> Tensor:
    raise ValueError("no loss today")


def test_a_loss_of_ones_own_is_the_mean_of_what_it_gives():
    student, teacher = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    context = Context(student, teacher, torch.full((4,), -1), torch.arange(4), epoch=0, progress=0.0)
    found = loss_of(LossOptions(loss=f"{HERE}:absolute"), seed=0, blocks=())(context)
    assert found.item() == pytest.approx((student - teacher).abs().mean().item())


def test_a_loss_that_can_be_learned_by_passes_its_trial():
    try_own(f"{HERE}:absolute", 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole", "must give floats of shape (3,), a loss for each of 3 samples (float32 of shape ())."),
        ("pair", "must give floats of shape (3,), a loss for each of 3 samples (tuple)."),
        ("of_the_teacher", "must give losses with a gradient (they do not depend on the student's outputs)."),
        (
            "missing",
            f"must be an importable package.module:function (module '{HERE}' has no attribute 'missing'). "
            "Look at PYTHONPATH.",
        ),
    ],
)
def test_what_is_no_loss_is_refused(name: str, message: str):
    with pytest.raises(ModelError) as caught:
        try_own(f"{HERE}:{name}", 5)
    assert str(caught.value) == f"{HERE}:{name}: {message}"


def test_what_it_raises_is_its_own_fault():
    loss = own_loss(f"{HERE}:raises")
    with pytest.raises(ModelError) as caught:
        loss(torch.zeros(2, 3), torch.zeros(2, 3))
    must = "must give each sample's loss from the outputs of student and teacher"
    assert str(caught.value).startswith(f"{HERE}:raises: {must} (ValueError: no loss today, in {__file__}:")
