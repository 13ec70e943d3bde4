"""What a transformation returns: the layers, changed or not, and why."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn


class Outcome(NamedTuple):
    """`layers` is a new chain when done, the old one when refused. `reason` is a clause for a person."""

    layers: nn.Sequential
    done: bool
    reason: str
