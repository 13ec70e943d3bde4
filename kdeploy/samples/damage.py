"""Samples that cannot be decoded: all of them in one list, or left out and counted where the recipe says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError

_NAMED = 20  # of them are named
_COUNTED = 3  # and of those that are left out


@dataclass
class Damage:
    """What was found while some samples were decoded; `noun` is what they should be, in the plural."""

    noun: str
    skip: bool
    errors: dict[int, DataError] = field(default_factory=dict)  # by the position of the sample

    def found(self, position: int, error: DataError) -> None:
        self.errors[position] = error

    def settled(self, count: int, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """The positions of the samples to leave out, int64, and what to say about them; nothing where all are sound.

        Raises: the only error there is, or one DataError with all of them, unless they are to be skipped.
        """
        if not self.errors:
            return np.empty(0, np.int64), ()
        if not self.skip:
            raise self._refusal(count, where)
        left_out = np.array(sorted(self.errors), np.int64)
        names = _listed([_place(error, where) for error in self.errors.values()], _COUNTED)
        return left_out, (f"{len(self.errors)} of {count} {self.noun} left out, which cannot be decoded: {names}",)

    def _refusal(self, count: int, where: str) -> DataError:
        if len(self.errors) == 1:
            return next(iter(self.errors.values()))
        names = _listed([f"{_place(error, where)}: {error.got}" for error in self.errors.values()], _NAMED)
        advice = "Remove or repair them, or set data.skip_bad to true to leave them out."
        must = f"must have {self.noun} that can be decoded"
        return DataError(where, must, got=f"{len(self.errors)} of {count} cannot: {names}", advice=advice)


def _place(error: DataError, where: str) -> str:
    return error.where.removeprefix(f"{where}/")


def _listed(names: list[str], most: int) -> str:
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
