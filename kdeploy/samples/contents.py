"""What a source has before it is divided: a label a row, the class names, and how to decode some rows.

    Contents -> divide -> compact -> decode -> SampleSet

Only the rows that some part takes are decoded. Here, and nowhere later, are the labels of the unlabelled part known:
the transfer set is chosen by class before they are hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.records.samples import InputKind
from kdeploy.samples.choice import EVERYTHING, Choice
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.split import Counts, Rows, compact, divide, hide

OWN_DEFAULTS = Counts()
Inputs = Mapping[str, tuple[NDArray[Any], InputKind]]


@dataclass(frozen=True)
class Contents:
    """A source's rows.

    Args:
        labels: int64 (N,), -1 for a row without one.
        decode: the canonical inputs of sorted rows, each with its kind.
        first_test: rows from this one on are the source's own test rows; None when it has none.
        given: what says the rows of each part where the source does; it refuses counts.
        defaults: the counts of a part that a recipe leaves out.
        where: what errors name.
    """

    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    decode: Callable[[Rows], Inputs]
    where: str
    first_test: int | None = None
    given: Callable[[Counts], Mapping[str, Rows]] | None = None
    defaults: Counts = OWN_DEFAULTS

    def divided(self, counts: Counts, *, seed: int) -> Mapping[str, Rows]:
        """The rows of each part.

        Raises: DataError when the counts ask for more than there is.
        """
        if self.given is not None:
            return self.given(counts)
        asked = counts.over(self.defaults)
        return divide(self.labels, asked, seed=seed, where=self.where, first_test=self.first_test)

    def sample_set(
        self,
        parts: Mapping[str, Rows],
        *,
        source: Mapping[str, str],
        content_sha256: str,
        split_seed: int,
        choice: Choice = EVERYTHING,
    ) -> SampleSet:
        """The rows that some part takes, decoded, with the labels of the unlabelled part hidden."""
        rows, parts = compact(parts)
        labels = self.labels[rows]
        chosen = choice.rows(labels, parts, self.class_names)
        inputs = self.decode(rows)
        return SampleSet(
            inputs={name: array for name, (array, _) in inputs.items()},
            labels=hide(labels, parts),
            parts=parts,
            class_names=self.class_names,
            kinds={name: kind for name, (_, kind) in inputs.items()},
            source=source,
            content_sha256=content_sha256,
            split_seed=split_seed,
            chosen=chosen,
            choice=choice,
            where=self.where,
        )
