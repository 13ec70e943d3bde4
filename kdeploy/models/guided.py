"""A student and what is trained beside it: a linear map from its last hidden layer to the teacher's features.

    hidden = ReLU(U V x + b),  logits = W hidden + c,  projected = R hidden + d

The map is needed for hints alone (`losses.hints`). It is in the checkpoints of the training and no part of the student.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from kdeploy.models.seeding import drawn_from
from kdeploy.models.shallow import ShallowStudent


class Answer(NamedTuple):
    """Of a batch, a row a sample: shapes (batch, classes), (batch, H) and (batch, width); None without a map."""

    logits: Tensor
    hidden: Tensor
    projected: Tensor | None


class Guided(nn.Module):
    """A student that shows its last hidden layer.

    Args:
        student: trained in place.
        width: of the teacher's features; None for no map.
        seed: what the map's initial weights depend on, and nothing else.
    """

    def __init__(self, student: ShallowStudent, *, width: int | None, seed: int) -> None:
        super().__init__()
        self.student = student
        with drawn_from(seed):
            self.projection = None if width is None else nn.Linear(student.logits.in_features, width)

    def forward(self, batch: Tensor) -> Answer:
        """The answer to a preprocessed batch of shape (batch, *shape)."""
        hidden = self.student.last_hidden(batch)
        projected = None if self.projection is None else self.projection(hidden)
        return Answer(self.student.logits(hidden), hidden, projected)
