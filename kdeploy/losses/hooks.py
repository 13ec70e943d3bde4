"""What a loss sees of one batch, and the four hooks through which a training changes while it runs.

    mixture(context)        (batch, members)    each sample's teacher is sum_m of it times the logits of member m
    selection(context)      (batch,) of bool    the samples that are learned from; the mean is over them
    temperature(context)    Temperatures, ...   of student and teacher; the loss is the sum over all of them
    weight(context)         (batch,)            of each sample's loss

A hook is a pure function and gives no gradient: what it says is a constant of the step, so that no student lowers its
loss by moving its own temperature or weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from kdeploy.losses.temperature import Temperatures


class Features(NamedTuple):
    """The features of one batch, (batch, width) each; the widths of student and teacher may differ."""

    student: Tensor
    projected: Tensor | None  # the student's behind the map of its hints, as wide as the teacher's
    teacher: Tensor

    def rows(self, which: Tensor) -> Features:
        """The features of the samples of a mask, bool of shape (batch,)."""
        projected = None if self.projected is None else self.projected[which]
        return Features(self.student[which], projected, self.teacher[which])


@dataclass(frozen=True)
class Context:
    """What a loss sees of one batch.

    Args:
        student, teacher: logits, shape (batch, classes).
        labels: the targets of the kind of outputs: of classes int64 (batch,), -1 where a sample has none.
        samples: indices in the sample set, int64 (batch,).
        members: the logits of several teachers, shape (members, batch, classes), or None.
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    samples: Tensor
    epoch: int
    progress: float  # from 0 in the first epoch to 1 in the last
    members: Tensor | None = None
    features: Features | None = None

    def rows(self, which: Tensor) -> Context:
        """The context of the samples of a mask, bool of shape (batch,)."""
        return replace(
            self,
            student=self.student[which],
            teacher=self.teacher[which],
            labels=self.labels[which],
            samples=self.samples[which],
            members=None if self.members is None else self.members[:, which],
            features=None if self.features is None else self.features.rows(which),
        )


def _unchanged(_: Context) -> tuple[Temperatures, ...]:
    return (Temperatures(1.0, 1.0),)


@dataclass(frozen=True)
class Hooks:
    """The four hooks, None where nothing is to change."""

    mixture: Callable[[Context], Tensor] | None = None
    selection: Callable[[Context], Tensor] | None = None
    temperature: Callable[[Context], tuple[Temperatures, ...]] = _unchanged
    weight: Callable[[Context], Tensor] | None = None


def progress_of(epoch: int, epochs: int) -> float:
    """The progress of a training: 0 in the first epoch, 1 in the last; a single epoch is a first one."""
    return epoch / max(1, epochs - 1)
