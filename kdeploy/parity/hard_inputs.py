"""Hard inputs, made to break a model, in named families; the same every time.

The spec of an input, its shape and the limits [low, high] of its values, is that of the real inputs themselves. There
are noise and limits, values that float arithmetic treats specially (-0, denormals, ten thousand times too large) and
near ties: between two real inputs of different top-1 there is one where the two classes are equal,

    x = a + t (b - a),  t by bisection

and a runtime that rounds a little too much chooses the other there. What is not finite is not among them: runtimes
differ in what they make of it, see `invariance`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kdeploy.outputs.classes import CLASSES

SEED = 20261122
EACH = 8  # inputs a family
STEPS = 30  # of a bisection: float32 has 24 bits


class Spec(NamedTuple):
    """The inputs of a model: the shape of one, and the limits of its values."""

    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def most(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))


def spec_of(inputs: np.ndarray) -> Spec:
    """The spec that real inputs (inputs, *shape) show."""
    return Spec(inputs.shape[1:], float(inputs.min()), float(inputs.max()))


def families(spec: Spec) -> dict[str, np.ndarray]:
    """Made inputs by the name of their family, each float32 (inputs, *shape)."""
    draws = np.random.default_rng(SEED)
    rows = (EACH, *spec.shape)  # the shape of a whole family
    normal = draws.standard_normal(rows)
    one = np.ones((1, *spec.shape))
    levels = np.linspace(spec.low, spec.high, EACH).reshape(-1, *(1,) * len(spec.shape))  # (EACH, 1, ..., 1)
    arrays = {
        "normal": normal,
        "uniform": draws.uniform(spec.low, spec.high, rows),
        "limits": draws.choice([spec.low, spec.high], rows),
        "zeros": 0 * one,
        "negative zeros": -0.0 * one,
        "ones": one,
        "largest": np.concatenate([spec.most * one, -spec.most * one]),
        "large": 1e4 * normal,
        "denormals": 1e-40 * normal,
        "spikes": _spikes(spec, draws),
        "constants": levels * one,
    }
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def near_ties(logits: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, each: int = EACH) -> np.ndarray:
    """Inputs on the border between two classes: at most `each`, and none when all real inputs have one top-1.

    Args:
        logits: float32 (batch, *shape) to (batch, classes), for a batch of any size; it need not be exact.
        inputs: real ones, float32 (inputs, *shape).
    Returns: float32 (ties, *shape).
    """
    top = CLASSES.decided(logits(inputs))  # (inputs,)
    other = np.array([_of_another_class(top, row) for row in range(min(len(inputs), each))])
    first = np.flatnonzero(other >= 0)
    if not len(first):
        return inputs[:0]
    here, there, classes = inputs[first].copy(), inputs[other[first]].copy(), top[first]
    for _ in range(STEPS):
        middle = here + (there - here) / 2  # (ties, *shape)
        stays = (CLASSES.decided(logits(middle)) == classes).reshape(-1, *(1,) * (inputs.ndim - 1))
        here, there = np.where(stays, middle, here), np.where(stays, there, middle)
    return np.ascontiguousarray(here)


def _of_another_class(top: np.ndarray, row: int) -> int:
    """The next input whose top-1 is not that of this one; -1 when there is none."""
    others = np.flatnonzero(np.roll(top, -row) != top[row])
    return int((others[0] + row) % len(top)) if len(others) else -1


def _spikes(spec: Spec, draws: np.random.Generator) -> np.ndarray:
    """Inputs with the largest value at one place and zero at all others."""
    spikes = np.zeros((EACH, int(np.prod(spec.shape))))  # (EACH, elements)
    spikes[np.arange(EACH), draws.integers(0, spikes.shape[1], EACH)] = spec.most
    return spikes.reshape(EACH, *spec.shape)
