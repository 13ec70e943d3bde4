"""One class of several: the largest logit, or the sign of a single one.

quality     accuracy, the share of known samples whose decision is the target
agreement   the share of samples with the same decision
targets     int64 (N,), -1 unknown
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.kind import Array, Floats, row_of
from kdeploy.outputs.terms import TERMS, OutputsName


class Classes:
    """See `kdeploy.outputs.kind.Kind`."""

    name: OutputsName = "classes"
    metric = "accuracy"
    target_loss = "cross-entropy"
    terms = TERMS["classes"]
    unknown = -1.0

    def none_known(self, rows: int) -> Array:
        return np.full(rows, -1, np.int64)

    def known(self, targets: Array) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = targets >= 0
        return known

    def check(self, targets: Array, width: int, where: str, *, every: bool, rows: Array | None = None) -> None:
        least = 0 if every else -1
        wrong = (targets < least) | (targets >= width)
        if wrong.any():
            first, row = row_of(wrong, rows)
            must = f"must have a label from {least} to {width - 1}"
            raise DataError(f"{where}: row {row}", must, got=str(targets[first]))

    def quality(self, outputs: Array, targets: Array) -> float | None:
        known = self.known(targets)
        return float((outputs[known].argmax(1) == targets[known]).mean()) if known.any() else None

    def others(self, outputs: Array, targets: Array) -> dict[str, float]:
        return {}

    def each(self, outputs: Array, targets: Array) -> Array:
        right: Array = outputs.argmax(1) == targets
        return right

    def resampled(self, outputs: Array, targets: Array, counts: Array) -> Floats:
        known = self.known(targets)
        drawn = counts[:, known].astype(np.float64)
        means: Floats = drawn @ self.each(outputs[known], targets[known]) / drawn.sum(1)
        return means

    def agreement(self, outputs: Array, teacher: Array) -> float:
        return float(self.agreed(outputs, teacher).mean())

    def agreed(self, outputs: Array, teacher: Array) -> Array:
        same: Array = self.decided(outputs) == self.decided(teacher)
        return same

    def decided(self, outputs: Array) -> Array:
        """The class of each sample, int64 (rows,); 0 or 1 where there is one logit."""
        classes: Array = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(np.int64)
        return classes

    def margins(self, outputs: Array) -> Array:
        """The largest logit less the second; the size of a single one."""
        ranked = np.sort(outputs, axis=1)  # (rows, classes), the largest last
        distance: Array = ranked[:, -1] - ranked[:, -2] if outputs.shape[1] > 1 else np.abs(ranked[:, 0])
        return distance

    def chance(self, width: int) -> float:
        return 1 / width

    def agrees(self, percent: str, inputs: str) -> str:
        return f"says what the teacher says on {percent} of {inputs}"


CLASSES = Classes()
