"""Budgets: how far two models may differ, for each precision."""

from __future__ import annotations

from typing import NamedTuple


class Budget(NamedTuple):
    """The largest error allowed: factor x the error of plain float32 + relative x scale.

    `agreement` is the least fraction of inputs with the same top-1; None allows every input that is no flip.
    """

    factor: float
    relative: float
    agreement: float | None = None

    def allows(self, float32_error: float, scale: float) -> float:
        """The largest absolute error, where float32 is off by `float32_error` and the largest logit is `scale`."""
        return self.factor * float32_error + self.relative * scale


FP32 = Budget(8.0, 1e-6)


BUDGETS = {
    "fp32": FP32,
    "fp16": Budget(2**13 * FP32.factor, 2**13 * FP32.relative),
    "bf16": Budget(2**16 * FP32.factor, 2**16 * FP32.relative),
    "int8": Budget(2**18 * FP32.factor, 2**18 * FP32.relative, agreement=0.95),
}
