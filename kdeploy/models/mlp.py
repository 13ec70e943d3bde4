"""A multi-layer perceptron as a teacher, with what Hinton, Vinyals and Dean (2015, section 3) regularise theirs by.

    x -> normalised -> dropout -> [linear -> ReLU -> dropout] ... -> logits,   |weights into a unit|_2 <= max_norm

Dropout and the constraint are those of Hinton et al. 2012 (arXiv 1207.0580): a weight vector that has grown beyond the
limit is scaled back to it, and only the vectors of hidden units are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kdeploy.models.dropout import Dropout
from kdeploy.models.normalise import Normalise
from kdeploy.models.seeding import drawn_from


class Mlp(nn.Module):
    """Fully connected layers on the flattened sample.

    Args:
        shape: of one sample: (channels, height, width) or (features,).
        classes: number of logits.
        hidden: widths of the hidden layers.
        input_dropout, hidden_dropout: the share of inputs and of hidden units that a training step leaves out.
        max_norm: limit of the norm of each hidden unit's incoming weights; None for no limit.
        mean, std: per channel of the input.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        classes: int,
        hidden: Sequence[int],
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        max_norm: float | None = None,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std, axes=len(shape) + 1)
        self.max_norm = max_norm
        layers: list[nn.Module] = [nn.Flatten(), Dropout(input_dropout)]
        for before, after in itertools.pairwise([math.prod(shape), *hidden]):
            layers += [nn.Linear(before, after), nn.ReLU(), Dropout(hidden_dropout)]
        self.hidden = nn.Sequential(*layers)
        self.logits = nn.Linear(hidden[-1], classes)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        if self.training:
            self.constrain()
        logits: Tensor = self.logits(self.hidden(self.normalise(batch)))
        return logits

    @torch.no_grad()
    def constrain(self) -> None:
        """Scale the weights of each hidden unit back to the limit; a training does it before each step."""
        if self.max_norm is None:
            return
        for layer in self.hidden:
            if isinstance(layer, nn.Linear):
                layer.weight.copy_(torch.renorm(layer.weight, p=2, dim=0, maxnorm=self.max_norm))

    def chain(self) -> nn.Sequential:
        """The same network in evaluation as one chain of layers, for transformations."""
        layers = [layer for layer in self.hidden if not isinstance(layer, Dropout)]
        return nn.Sequential(self.normalise, *layers, self.logits)


def seeded(seed: int, **arguments: object) -> Mlp:
    """A teacher whose initial weights depend on the seed and on nothing else."""
    with drawn_from(seed):
        return Mlp(**arguments)  # type: ignore[arg-type]
