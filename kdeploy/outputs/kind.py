"""What a kind of outputs promises; `tests/outputs/test_contract.py` is what each must pass.

A quality and an agreement are at most 1, and more is better; a *point* is a hundredth of one. Outputs are float
(samples, width), as a model gives them: logits, or values in the user's unit. Targets have a row a sample.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kdeploy.outputs.terms import OutputsName, Terms

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Kind(Protocol):
    """One kind of outputs.

    Attributes:
        name: as the recipe says it.
        metric: what the quality that gates is called.
        target_loss: what the loss on the targets themselves is called.
        terms: what a recipe may say of it.
        unknown: what stands in the targets for one that nobody knows.
    """

    @property
    def name(self) -> OutputsName: ...
    @property
    def metric(self) -> str: ...
    @property
    def target_loss(self) -> str: ...
    @property
    def terms(self) -> Terms: ...
    @property
    def unknown(self) -> float: ...

    def none_known(self, rows: int, /) -> Array:
        """The targets of so many samples of which nothing is known."""
        ...

    def known(self, targets: Array, /) -> NDArray[np.bool_]:
        """Of which samples something is known, (rows,)."""
        ...

    def check(self, targets: Array, width: int, where: str, *, every: bool, rows: Array | None = None) -> None:
        """Refuse targets that are no such targets.

        Args:
            width: the number of outputs.
            every: must something be known of each?
            rows: (N,), those that messages name; None where they are those of `targets`.
        Raises: DataError that names the row.
        """
        ...

    def quality(self, outputs: Array, targets: Array, /) -> float | None:
        """The quality that gates, over what is known; None where it cannot be said."""
        ...

    def others(self, outputs: Array, targets: Array, /) -> dict[str, float]:
        """Further qualities by name, over what is known."""
        ...

    def each(self, outputs: Array, targets: Array, /) -> Array | None:
        """The quality of each sample, (rows,), whose mean is that of all; None where it is one of a set."""
        ...

    def resampled(self, outputs: Array, targets: Array, counts: Array, /) -> Floats:
        """The quality of resamples, (resamples,), in which sample i comes `counts[:, i]` times."""
        ...

    def agreement(self, outputs: Array, teacher: Array, /) -> float:
        """How far outputs say what the teacher says, both (rows, width)."""
        ...

    def agreed(self, outputs: Array, teacher: Array, /) -> Array | None:
        """Whether, or in which share, each sample's outputs say that, (rows,); None where it is said of a set."""
        ...

    def decided(self, outputs: Array, /) -> Array | None:
        """The decisions, a row a sample; None where nothing is decided."""
        ...

    def margins(self, outputs: Array, /) -> Array | None:
        """How far each decision is from another, in the shape of `decided`."""
        ...

    def chance(self, width: int, /) -> float | None:
        """The quality of who knows nothing; None where the data decide that."""
        ...

    def agrees(self, percent: str, inputs: str) -> str:
        """An agreement in words: `says what the teacher says on 97 % of 100 test inputs`."""
        ...


def row_of(wrong: Array, rows: Array | None) -> tuple[int, int]:
    """The first wrong target, and the row that a message names."""
    first = int(np.argmax(wrong))
    return first, first if rows is None else int(rows[first])


def flips(kind: Kind, outputs: Array, exact: Array, error: float) -> int:
    """How many decisions differ although the margin of the exact ones is larger than the error."""
    decided, right, margins = kind.decided(outputs), kind.decided(exact), kind.margins(exact)
    if decided is None or margins is None:
        return 0
    return int(((decided != right) & (margins > error)).sum())
