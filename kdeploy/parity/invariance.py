"""Invariance of a session: odd batches, layouts and values, where comparing logits on real inputs does not look.

    every batch that the graph declares is taken, 0 to 256; the empty one may be refused
    an input has the same answer alone and in any place of a batch
    the same batch twice has the same answer, bit for bit
    an array in another order of memory is the same array
    NaN in: some runtimes answer NaN, others a confident class; reported, not a fault, and two NaN are never compared

A graph can declare a dynamic batch and have the exporter's example baked in (a Reshape to 3 rows), which no comparison
at one batch size sees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kdeploy.errors import KdeployError
from kdeploy.parity import steps
from kdeploy.parity.oracle import in_batches
from kdeploy.records.parity import Fault
from kdeploy.runtimes.protocol import Session

BATCHES = (0, 1, 2, 3, 7, 32)
MOST = 256
ALONE = 8  # inputs that are run one by one


class Trial(NamedTuple):
    """A loaded model, its input's name, and real inputs for it, float32 (inputs, *shape); `at` hears of each step."""

    session: Session
    input: str
    inputs: np.ndarray
    at: steps.At = steps.unheard

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The logits (batch, classes) of one batch, float32 (batch, *shape)."""
        return next(iter(self.session.run({self.input: batch}).values()))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The logits (inputs, classes) of inputs, float32 (inputs, *shape), in one batch, or in several fixed ones."""
        return in_batches(self.run, inputs, self.fixed, "parity")

    @property
    def fixed(self) -> int | None:
        """The one batch that the model takes; None where any is taken."""
        size = self.session.settings.get("fixed_batch")
        return int(size) if size else None

    def rows(self, count: int) -> np.ndarray:
        """A batch of the inputs, from the first one on, again and again: float32 (count, *shape)."""
        return np.ascontiguousarray(self.inputs[np.arange(count) % len(self.inputs)])


def batches(trial: Trial, most: int = MOST, least: int = 0) -> tuple[tuple[int, ...], Fault | None]:
    """The sizes of batch that the session takes, up to the first that it wrongly does not."""
    sizes: list[int] = []
    for size in [trial.fixed] if trial.fixed else sorted(size for size in {*BATCHES, most} if least <= size <= most):
        trial.at(steps.batch(size))
        try:
            rows = len(trial.run(trial.rows(size)))
        except KdeployError as exc:
            if size == 0:
                continue
            return tuple(sizes), _baked(size, exc.got or str(exc))
        if rows != size:
            return tuple(sizes), _baked(size, f"{rows} rows of logits")
        sizes.append(size)
    return tuple(sizes), None


def constancy(trial: Trial, budget: float, most: int = MOST) -> Fault | None:
    """The fault of a session whose answer to an input depends on anything but the input; None without any."""
    batch = trial.rows(trial.fixed or most)
    answer = trial.run(batch)
    if not np.array_equal(answer, trial.run(batch), equal_nan=True):
        off = _distance(answer, trial.run(batch))
        must = "must give the same answer to the same inputs"
        return Fault(kind="repetition", must=must, got=f"off by {off:.3g} the second time", advice=_REPORT)
    return _place(trial, batch, answer, budget) or _layout(trial, batch, answer, budget)


def propagates_nan(trial: Trial) -> bool | None:
    """Whether the answer to NaN is itself NaN; None when the session refuses it."""
    batch = trial.rows(trial.fixed or 1)
    batch[0] = np.nan
    try:
        answer = trial.run(batch)
    except KdeployError:
        return None
    return bool(np.isnan(answer[0]).any())


_REPORT = "Leave this runtime out, and report it to its makers."


def _baked(size: int, reason: str) -> Fault:
    return Fault(
        kind="batch",
        must="must take any batch, as its graph declares",
        got=f"fails at batch {size}: {reason.rstrip('.')}",
        advice="Another batch is baked into the graph: export it again with a dynamic one.",
    )


def _place(trial: Trial, batch: np.ndarray, answer: np.ndarray, budget: float) -> Fault | None:
    """The fault of an answer that changes with the place of its input: alone, or turned around in a fixed batch."""
    if trial.fixed:
        other, how = trial.run(np.ascontiguousarray(batch[::-1]))[::-1], f"in another place of a batch of {len(batch)}"
    else:
        alone = [trial.run(np.ascontiguousarray(batch[row : row + 1])) for row in range(min(ALONE, len(batch)))]
        other, how = np.concatenate(alone), f"alone and in a batch of {len(batch)}"
    off = np.abs(answer[: len(other)].astype(np.float64) - other).max(axis=1, initial=0.0)  # (inputs,)
    row = int(np.argmax(off))
    if off[row] <= 2 * budget:  # each is within the budget of the truth
        return None
    must = f"must answer within {2 * budget:.3g} alike {how}"
    advice = "A layer of it reads the whole batch, as in training mode: export it again."
    return Fault(kind="place", must=must, got=f"off by {off[row]:.3g} at input {row}", advice=advice)


def _layout(trial: Trial, batch: np.ndarray, answer: np.ndarray, budget: float) -> Fault | None:
    strided = np.zeros((2 * len(batch), *batch.shape[1:]), batch.dtype)  # (2 batch, *shape)
    strided[::2] = batch
    for name, array in (("Fortran order", np.asfortranarray(batch)), ("an array with gaps", strided[::2])):
        off = _distance(answer, trial.run(array))
        if off > budget:
            must = f"must read {name} as it reads any array"
            return Fault(kind="layout", must=must, got=f"off by {off:.3g}", advice=_REPORT)
    return None


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0))
