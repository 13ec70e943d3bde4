"""Numbers in the user's unit, one or several a sample: regression.

    quality     R^2 = 1 - sum (y - v)^2 / sum (y - mean y)^2, the mean over the columns that vary
    agreement   R^2 with the teacher's values in the place of y
    others      RMSE and MAE, over all columns
    targets     float32 (N, K), NaN unknown

Nothing is decided, so nothing flips: an error has its budget. In a resample y is weighted by how often it was drawn.
"""

from __future__ import annotations

import numpy as np

from kdeploy.outputs.columns import Columns, check_columns, refuse
from kdeploy.outputs.kind import Array, Floats
from kdeploy.outputs.terms import TERMS, OutputsName


class Values(Columns):
    """See `kdeploy.outputs.kind.Kind`."""

    name: OutputsName = "values"
    metric = "R^2"
    target_loss = "squared error"
    terms = TERMS["values"]

    def check(self, targets: Array, width: int, where: str, *, every: bool, rows: Array | None = None) -> None:
        check_columns(targets, width, where)
        wrong = np.isinf(targets).any(1) | (every & ~self.known(targets))
        must = "must have a finite value" if every else "must have finite values, or NaN for none"
        refuse(wrong, targets, rows, where, must)

    def others(self, outputs: Array, targets: Array) -> dict[str, float]:
        known = np.isfinite(targets)  # of no columns where nothing is labelled
        off = outputs[:, : targets.shape[1]][known].astype(np.float64) - targets[known]
        return {"RMSE": float(np.sqrt(np.square(off).mean())), "MAE": float(np.abs(off).mean())} if len(off) else {}

    def resampled(self, outputs: Array, targets: Array, counts: Array) -> Floats:
        columns = [_explained(outputs[:, k], targets[:, k], counts) for k in range(targets.shape[1])]
        with np.errstate(invalid="ignore"):
            known = [column for column in columns if np.isfinite(column).any()]
        means: Floats = np.mean(known, axis=0) if known else np.full(len(counts), np.nan)
        return means

    def agreement(self, outputs: Array, teacher: Array) -> float:
        if not np.isfinite(outputs).all():
            return 0.0
        explained = self.quality(outputs, teacher)
        # where the teacher says one thing to all, it is said again or not
        return float(np.allclose(outputs, teacher, rtol=1e-5)) if explained is None else explained

    def agreed(self, outputs: Array, teacher: Array) -> None:
        return None

    def decided(self, outputs: Array) -> None:
        return None

    def margins(self, outputs: Array) -> None:
        return None

    def chance(self, width: int) -> float:
        return 0.0

    def agrees(self, percent: str, inputs: str) -> str:
        return f"explains {percent} of the variance of what the teacher says on {inputs}"


def _explained(outputs: Array, targets: Array, counts: Array) -> Floats:
    """R^2 of one column in each resample, (resamples,); not finite where its targets do not vary."""
    known = np.isfinite(targets)
    y, weights = targets[known].astype(np.float64), counts[:, known].astype(np.float64)
    if not len(y):
        return np.full(len(counts), np.nan)
    y = y - y.mean()  # the same variance, and no large numbers that cancel
    off = outputs[known].astype(np.float64) - targets[known]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = weights @ np.square(y) - np.square(weights @ y) / weights.sum(1)
        explained: Floats = 1 - weights @ np.square(off) / np.where(spread > 0, spread, np.nan)
    return explained


VALUES = Values()
