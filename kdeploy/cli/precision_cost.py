"""What a lower precision costs, in a line a format: the models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdeploy.records.precision import Cost

_NAMES = {"student": "student", "baseline": "the same network on labels alone", "teacher": "teacher"}


def cost_lines(costs: Sequence[Cost]) -> Iterator[str]:
    """Lines such as `onnxruntime:int8 on 200 held-out inputs: student 97.50% -> 97.00% (99.0% agree), ...`."""
    for key in dict.fromkeys(cost.format for cost in costs):
        found = {cost.model: cost for cost in costs if cost.format == key}
        shown = [found[model] for model in _NAMES if model in found]
        words = ", ".join(f"{_NAMES[cost.model]} {cost.words}" for cost in shown)
        yield f"{key} on {shown[0].inputs} {shown[0].part.replace('_', '-')} inputs: {words}"
