"""Several labels at once, each yes or no by the sign of its logit.

quality     mean average precision: over the labels that some sample has, the mean over the samples that have it of
            the precision among all that score as high
agreement   the share of equal decisions
others      micro-F1 = 2 tp / (2 tp + fp + fn), all labels together, yes where the logit is above 0
targets     float32 (N, C) of 0 and 1, NaN unknown
"""

from __future__ import annotations

import numpy as np

from kdeploy.outputs.columns import Columns, check_columns, refuse
from kdeploy.outputs.kind import Array, Floats
from kdeploy.outputs.terms import TERMS, OutputsName


class Labels(Columns):
    """See `kdeploy.outputs.kind.Kind`."""

    name: OutputsName = "labels"
    metric = "mean average precision"
    target_loss = "binary cross-entropy"
    terms = TERMS["labels"]

    def check(self, targets: Array, width: int, where: str, *, every: bool, rows: Array | None = None) -> None:
        check_columns(targets, width, where)
        wrong = ~(np.isnan(targets) | (targets == 0) | (targets == 1)).all(1) | (every & ~self.known(targets))
        must = "must have 0 or 1 for each label, or NaN where it is not known" + (", and not NaN for all" * every)
        refuse(wrong, targets, rows, where, must)

    def others(self, outputs: Array, targets: Array) -> dict[str, float]:
        known = np.isfinite(targets)
        yes, right = outputs[:, : targets.shape[1]][known] > 0, targets[known] == 1
        found = 2 * int((yes & right).sum())
        return {"micro-F1": found / (found + int((yes != right).sum()))} if yes.any() or right.any() else {}

    def resampled(self, outputs: Array, targets: Array, counts: Array) -> Floats:
        columns = [_precision(outputs[:, c], targets[:, c], counts) for c in range(targets.shape[1])]
        columns = [column for column in columns if np.isfinite(column).any()]
        # a resample may lack a rare label: the mean is over those that it has
        means: Floats = np.nanmean(columns, axis=0) if columns else np.full(len(counts), np.nan)
        return means

    def agreement(self, outputs: Array, teacher: Array) -> float:
        return float(self.agreed(outputs, teacher).mean())

    def agreed(self, outputs: Array, teacher: Array) -> Array:
        share: Array = (self.decided(outputs) == self.decided(teacher)).mean(1)
        return share

    def decided(self, outputs: Array) -> Array:
        yes: Array = outputs > 0
        return yes

    def margins(self, outputs: Array) -> Array:
        return np.abs(outputs)

    def chance(self, width: int) -> None:
        return None

    def agrees(self, percent: str, inputs: str) -> str:
        return f"decides as the teacher does on {percent} of the labels of {inputs}"


def _precision(scores: Array, targets: Array, counts: Array) -> Floats:
    """The average precision of one label in each resample, (resamples,); NaN where no sample has it."""
    known = np.flatnonzero(np.isfinite(targets))
    order = known[np.argsort(-scores[known], kind="stable")]
    drawn = counts[:, order].astype(np.float64)
    hits = drawn * (targets[order] == 1)
    # among those that score as high: up to the last of equal scores
    last = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    above, right = drawn.cumsum(1)[:, last], hits.cumsum(1)[:, last]
    with np.errstate(invalid="ignore", divide="ignore"):
        average: Floats = (hits * np.nan_to_num(right / above)).sum(1) / hits.sum(1)
    return average


LABELS = Labels()
