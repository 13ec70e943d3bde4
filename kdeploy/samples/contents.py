"""What a source has before it is divided: a label a row, the class names, and how to decode some rows.

    Contents -> assemble: divide -> compact -> decode -> SampleSet

Only the rows that some part takes are decoded. Here, and nowhere later, are the labels of the unlabelled part known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.terms import OutputsName
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.split import Counts, Rows, divide

OWN_DEFAULTS = Counts()


@dataclass(frozen=True)
class Contents:
    """A source's rows.

    Args:
        labels: the targets of the kind of outputs; of classes int64 (N,), -1 for a row without one.
        decode: the canonical inputs of sorted rows, each with its kind.
        first_test: rows from this one on are the source's own test rows; None when it has none.
        first_held_out: rows from this one up to `first_test` are the source's own held-out rows; None when it has none.
        given: what says the rows of each part where the source does; it refuses counts.
        defaults: the counts of a part that a recipe leaves out.
        groups: int64 (N,), rows of one group are never divided between training, held-out and test part; None for none.
        assumed: what the source had to assume about its data, a line each.
        where: what errors name.
        outputs: the kind of outputs, by name.
    """

    labels: NDArray[Any]
    class_names: tuple[str, ...]
    decode: Callable[[Rows], Decoded]
    where: str
    first_test: int | None = None
    given: Callable[[Counts], Mapping[str, Rows]] | None = None
    defaults: Counts = OWN_DEFAULTS
    groups: NDArray[np.int64] | None = None
    first_held_out: int | None = None
    assumed: tuple[str, ...] = ()
    outputs: OutputsName = "classes"

    @property
    def strata(self) -> NDArray[np.int64]:
        """What a division holds in proportion, int64 (N,): the class of each row, of other kinds whether anything is
        known of it; -1 for a row without a label."""
        return self.labels if self.outputs == "classes" else kind_of(self.outputs).known(self.labels) - np.int64(1)

    @property
    def to_learn_from(self) -> NDArray[Any]:
        """The labels of the rows that are neither the source's own test rows nor its own held-out rows."""
        return self.labels[: self.first_test if self.first_held_out is None else self.first_held_out]

    def divided(self, counts: Counts, *, seed: int) -> Mapping[str, Rows]:
        """The sorted rows of each part, int64, by the name of the part.

        Raises: DataError when the counts ask for more than there is.
        """
        if self.given is not None:
            return self.given(counts)
        asked = counts.over(self.defaults)
        return divide(
            self.strata,
            asked,
            seed=seed,
            where=self.where,
            first_test=self.first_test,
            groups=self.groups,
            first_held_out=self.first_held_out,
        )
