"""The cost of another precision than fp32: accuracy, and agreement with it, on inputs nothing was learned from."""

from __future__ import annotations

from typing import Literal

from kdeploy.formatting import numbers
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part


class Cost(Part):
    """One model in one format, compared with its ONNX file in fp32 on onnxruntime.

    `accuracy` and `fp32` are what the kind of outputs calls quality, `agreement` what it calls that, fractions of 1;
    of classes the fraction of inputs with the same top-1. `calibration` counts the inputs of the transfer set whose
    ranges were taken; null where the precision needs none.
    """

    model: Literal["student", "teacher", "baseline"]
    format: str  # as people write it: `onnxruntime:int8`
    part: Literal["held_out", "test"]
    inputs: int
    fp32: float | None  # null where nothing is labelled
    accuracy: float | None
    agreement: float
    calibration: int | None = None
    outputs: OutputsName = "classes"

    @property
    def drop_points(self) -> float:
        """Percentage points of accuracy below fp32; where nothing is labelled, of the inputs that it decides otherwise.

        Accuracies are counts over a count, hence the rounding.
        """
        if self.fp32 is None or self.accuracy is None:
            return round(100 * (1 - self.agreement), 9)
        return round(100 * (self.fp32 - self.accuracy), 9)

    @property
    def words(self) -> str:
        """`97.50% -> 97.00% (99.0% agree)`; where nothing is labelled `99.0% agree with fp32`."""
        if self.fp32 is None or self.accuracy is None:
            return f"{numbers.share(self.agreement)} agree with fp32"
        change = f"{numbers.share(self.fp32, 2)} -> {numbers.share(self.accuracy, 2)}"
        return f"{change} ({numbers.share(self.agreement)} agree)"
