"""A loss of the user's own: `package.module:function`.

    function(student, teacher) -> losses

`student` and `teacher` are the outputs of a batch, float32 (batch, width): logits, of values multiples of their spread,
the teacher's without a gradient. `losses` are floats (batch,), each sample's loss, that depend on the student's. Noise,
selection, warm-up, hints, hard labels and weights stand around it as around every loss; temperature and
standardization do not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kdeploy.errors import ModelError
from kdeploy.system import user_code

MUST = "must give each sample's loss from the outputs of student and teacher"


def own_loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of a name, whose answers are looked at; outputs (batch, width) to (batch,).

    Raises: ModelError when there is no such function; later when it raises, or answers with anything else.
    """
    with user_code.calling(name, MUST):
        function = user_code.function(name)

    def loss(student: Tensor, teacher: Tensor) -> Tensor:
        with user_code.calling(name, MUST):
            losses = function(student, teacher)
        return _checked(losses, student, name)

    return loss


def _checked(losses: object, student: Tensor, name: str) -> Tensor:
    if not isinstance(losses, Tensor) or not losses.is_floating_point() or losses.shape != student.shape[:1]:
        tensor = f"{losses.dtype} of shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else None
        must = f"must give floats of shape ({len(student)},), a loss for each of {len(student)} samples"
        raise ModelError(name, must, got=(tensor or type(losses).__name__).removeprefix("torch."))
    if student.requires_grad and not losses.requires_grad:
        got = "they do not depend on the student's outputs"
        raise ModelError(name, "must give losses with a gradient", got=got)
    return losses


def try_own(name: str, width: int) -> None:
    """Try a loss on made outputs of so many numbers, before anything is labelled for it.

    Raises: ModelError, as the loss itself.
    """
    draws = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 3, width, generator=draws)
    torch.autograd.backward(own_loss(name)(student.requires_grad_(), teacher).mean())
