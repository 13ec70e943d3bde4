"""The cost of another precision than fp32: accuracy, and agreement with it, on inputs nothing was learned from."""

from __future__ import annotations

from typing import Literal

from kdeploy.records.base import Part


class Cost(Part):
    """One model in one format, compared with its ONNX file in fp32 on onnxruntime.

    Accuracies are fractions of 1; `agreement` is the fraction of inputs with the same top-1. `calibration` counts the
    inputs of the transfer set whose ranges were taken; null where the precision needs none.
    """

    model: Literal["student", "teacher", "baseline"]
    format: str  # as people write it: `onnxruntime:int8`
    part: Literal["held_out", "test"]
    inputs: int
    fp32: float
    accuracy: float
    agreement: float
    calibration: int | None = None

    @property
    def drop_points(self) -> float:
        """Percentage points of accuracy below fp32; accuracies are counts over a count, hence the rounding."""
        return round(100 * (self.fp32 - self.accuracy), 9)
