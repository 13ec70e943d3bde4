"""Random draws that are a pure function of (seed, view, sample, draw number), in tensor operations.

    h(seed, view, sample, draw) = mix(mix(mix(mix(seed) + view) + sample) + draw)        (mod 2**64)

with `mix` of splitmix64 (see `mixing`). No draw depends on another sample, so a batch may be cut anywhere, on any
worker and device. torch has no unsigned 64-bit arithmetic: int64 wraps as it must, and a logical right shift is an
arithmetic one with the copies of the sign masked off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kdeploy.errors import KdeployError
from kdeploy.samples.mixing import GOLDEN, MASK, MULTIPLIERS, SHIFTS, mix


@dataclass(frozen=True)
class Draws:
    """The draws of one view of some samples; `samples` is int64 (B,), and so is every result's shape.

    A draw number may also be a tensor of them: samples (B, 1) and draws (D,) give results (B, D).
    """

    seed: int
    view: int
    samples: Tensor

    def uniform(self, draw: int | Tensor) -> Tensor:
        """Uniform draws in [0, 1), float32 (B,): the top 24 bits, which float32 holds exactly on every device."""
        return _shifted(self._hash(draw), 40).to(torch.float32) * 2.0**-24

    def integers(self, draw: int, low: int, high: int) -> Tensor:
        """Integers from `low` to `high`, both included, int64 (B,): the top 32 bits times the span, rounded down.

        Each value's probability is within 2**-32 of 1 / span. Raises: KdeployError on an empty or too wide range.
        """
        span = high - low + 1
        if not 1 <= span <= 1 << 31:
            raise KdeployError("draws", "must be from a range of 1 to 2**31 integers", got=f"{low} to {high}")
        return _shifted(_shifted(self._hash(draw), 32) * span, 32) + low

    def sixteen_bits(self, draw: int, count: int) -> Tensor:
        """Integers from 0 to 2**16 - 1, int64 (B, count): four from each of the draws `draw`, `draw` + 1 and so on."""
        numbers = torch.arange(-(-count // 4), device=self.samples.device) + draw
        words = _mix(self._states[:, None] + numbers)  # (B, ceil(count / 4))
        places = torch.tensor([0, 16, 32, 48], device=words.device)
        return ((words[:, :, None] >> places) & 0xFFFF).flatten(1)[:, :count]

    def _hash(self, draw: int | Tensor) -> Tensor:
        return _mix(self._states + draw)

    @cached_property
    def _states(self) -> Tensor:
        return _mix(self.samples + _signed(mix(mix(self.seed) + self.view)))


def _mix(words: Tensor) -> Tensor:
    state = words + _signed(GOLDEN)
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        state = (state ^ _shifted(state, shift)) * _signed(multiplier)
    return state ^ _shifted(state, SHIFTS[-1])


def _shifted(words: Tensor, count: int) -> Tensor:
    """The logical right shift by `count`, from 1 to 63."""
    return (words >> count) & (MASK >> count)


def _signed(word: int) -> int:
    """The int64 with the bits of an unsigned 64-bit integer."""
    return word - (1 << 64) if word >> 63 else word
