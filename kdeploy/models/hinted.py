"""A student and what is trained with it: a linear map from one of its hidden layers to the teacher's features.

    h_1 = ReLU(U V x + b),  h_n = ReLU(U_n h_n-1 + b_n),  logits = W h_last + c,  projected = R h_layer + d

The map is needed for hints alone (`losses.hints`). It is in the checkpoints of the training and no part of the student.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from kdeploy.models.seeding import drawn_from
from kdeploy.models.shallow import ShallowStudent


class Answer(NamedTuple):
    """An answer to a batch: shapes (batch, classes), (batch, H) and (batch, width), the last None without a map."""

    logits: Tensor
    hidden: Tensor
    projected: Tensor | None


class StudentWithHints(nn.Module):
    """A student that shows its hidden layers.

    Args:
        student: trained in place.
        width: of the teacher's features; None for no map.
        seed: what the map's initial weights depend on, and nothing else.
        layer: the hidden layer that it reads, counted from 1 at the input; None for the last.
    """

    def __init__(self, student: ShallowStudent, *, width: int | None, seed: int, layer: int | None = None) -> None:
        super().__init__()
        self.student = student
        self.layer = -1 if layer is None else layer - 1
        with drawn_from(seed):
            self.projection = None if width is None else nn.Linear(student.widths[self.layer], width)

    def forward(self, batch: Tensor) -> Answer:
        """The answer to a preprocessed batch of shape (batch, *shape)."""
        hidden = self.student.each_hidden(batch)
        projected = None if self.projection is None else self.projection(hidden[self.layer])
        return Answer(self.student.logits(hidden[-1]), hidden[-1], projected)
