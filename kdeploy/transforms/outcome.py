"""What a transformation returns: the layers, changed or not, and why."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn


class Outcome(NamedTuple):
    """`layers` is a new chain when done, else the old one. `reason` is a clause for a person.

    `applies`: False where there is nothing to transform, which is no refusal.
    """

    layers: nn.Sequential
    done: bool
    reason: str
    applies: bool = True
