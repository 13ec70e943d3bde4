"""Which samples the students learn from: all that are labelled or unlabelled, or those of some classes only.

The teacher is trained on the whole labelled part whatever is chosen here: "the transfer set without the digit 3" of
Hinton, Vinyals and Dean ("Distilling the Knowledge in a Neural Network", 2015, section 3) has a teacher that knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.samples.split import Rows


@dataclass(frozen=True)
class Choice:
    """The classes of the transfer set, each by its name, or by its number where no class has that name.

    Args:
        only: these classes; empty for all.
        without: all but these.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Sequence[str]]) -> Self:
        """The choice that a recipe's `data.transfer` says; nothing is everything."""
        return cls(tuple(settings.get("only", ())), tuple(settings.get("without", ())))

    @property
    def settings(self) -> dict[str, tuple[str, ...]]:
        """The key of `data.transfer` that is set, with its classes; empty for everything."""
        given = {"only": self.only, "without": self.without}
        return {key: names for key, names in given.items() if names}

    def rows(self, labels: NDArray[np.int64], parts: Mapping[str, Rows], class_names: Sequence[str]) -> Rows | None:
        """The sorted rows of the transfer set; None when nothing is chosen, which is all of them.

        Args:
            labels: int64 (N,), the true ones, those of the unlabelled part too.
        Raises: DataError for a class that is not there, a sample of no known class, or no labelled sample that is left.
        """
        if not self.settings:
            return None
        key, names = next(iter(self.settings.items()))
        classes = [_number(name, class_names, f"data.transfer.{key}") for name in names]
        training = np.sort(np.concatenate([parts["labeled"], parts["unlabeled"]]))
        _refuse_unknown(labels[training])
        of_classes = np.isin(labels, classes)
        mask = of_classes if key == "only" else ~of_classes
        if not mask[parts["labeled"]].any():
            advice = "Choose other classes, or raise data.split.labeled."
            raise DataError("data.transfer", "must leave at least 1 labelled sample", got="0", advice=advice)
        rows: Rows = training[mask[training]]
        return rows


EVERYTHING = Choice()


def _number(name: str, class_names: Sequence[str], where: str) -> int:
    if name in class_names:
        return class_names.index(name)
    if name.isdecimal() and len(name) <= 18 and int(name) < len(class_names):  # Python reads no number of any length
        return int(name)
    known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
    raise DataError(where, f"must name a class, or its number: {known}", got=name)


def _refuse_unknown(labels: NDArray[np.int64]) -> None:
    nameless = int((labels < 0).sum())
    if nameless:
        advice = "Leave data.transfer out, or set data.split.unlabeled to 0."
        must = "must choose among samples whose class the source knows"
        raise DataError("data.transfer", must, got=f"{nameless} without a label", advice=advice)
