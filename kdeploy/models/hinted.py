"""A student and what is trained with it: a linear map from one of its layers to the teacher's features.

    logits = W h_last + c,  projected = R h_layer + d

The map is needed for hints alone (`losses.hints`). It is in the checkpoints of the training and no part of the student.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.models.answering import answering_layer
from kdeploy.models.layers import named_layer
from kdeploy.models.seeding import drawn_from


class Answer(NamedTuple):
    """An answer to a batch: shapes (batch, classes), (batch, H) and (batch, width), the last None without a map."""

    logits: Tensor
    hidden: Tensor
    projected: Tensor | None


class StudentWithHints(nn.Module):
    """A student that shows what its last linear layer reads, and what the layer of its hints gives, flattened.

    Args:
        student: trained in place.
        example: a preprocessed batch of it, (rows, *shape).
        width: of the teacher's features; None for no map.
        seed: what the map's initial weights depend on, and nothing else.
        layer: the layer that the map reads, by its name in the student; None for what the last linear layer reads.
    Raises: ModelError when the student does not end in a linear layer, or has no such layer.
    """

    def __init__(
        self, student: nn.Module, example: Tensor, *, width: int | None, seed: int, layer: str | None = None
    ) -> None:
        super().__init__()
        self.student = student
        self._seen: dict[str, Tensor] = {}
        answering = answering_layer(student, example)
        if answering is None:
            advice = "Leave out distill.hint_weight and distill.relational."
            got = "its logits come from elsewhere"
            raise ModelError("student", "must end in a linear layer, to show features", got=got, advice=advice)
        answering.layer.register_forward_pre_hook(self._note_read)
        if layer is not None:
            must = "distill.hint_layer must name a layer of it"
            named_layer(student, layer, "student", must).register_forward_hook(self._note_given)
        with torch.no_grad():
            student.eval()(example)
        with drawn_from(seed):
            self.projection = None if width is None else nn.Linear(self._source.shape[1], width)
        self._seen.clear()

    def forward(self, batch: Tensor) -> Answer:
        """The answer to a preprocessed batch of shape (batch, *shape)."""
        logits = self.student(batch)
        projected = None if self.projection is None else self.projection(self._source)
        return Answer(logits, self._seen["read"], projected)

    @property
    def _source(self) -> Tensor:
        return self._seen.get("given", self._seen["read"])

    def _note_read(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._seen["read"] = inputs[0].flatten(1)

    def _note_given(self, _layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._seen["given"] = output.flatten(1)
