"""Rows of numbers in parquet -> canonical ones: float32 (N, numbers). Every row must have as many as the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.records.samples import InputKind
from kdeploy.samples.decoded import DecodedArray
from kdeploy.samples.room import Room

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Vectors:
    """The lists of numbers in one column, which names the input."""

    column: str
    kind: ClassVar[InputKind] = "array"

    @property
    def input_name(self) -> str:
        return self.column

    def decode(self, lists: Iterable[tuple[str, Any]], count: int, *, room: Room, where: str) -> DecodedArray:
        """Rows of numbers, float32 (count, numbers), of `count` pairs of a place, for errors, and a list.

        Raises: DataError with the place of the first list that is not as long as the others, or has a null;
            ResourceError when all would take more than the limit.
        """
        rows: NDArray[np.float32] | None = None
        for position, (place, numbers) in enumerate(lists):
            if numbers is None:
                raise DataError(place, f"must have numbers in {self.column}", got="null")
            if rows is None:
                rows = room.array((count, len(numbers)), np.float32, where, "Take fewer samples with split.")
            if len(numbers) != rows.shape[1] or None in numbers:
                must = f"must have {rows.shape[1]} numbers like the first row"
                raise DataError(place, must, got="a null" if None in numbers else str(len(numbers)))
            rows[position] = numbers
        if rows is None:
            raise DataError(where, "must have at least 1 sample", got="0")
        return DecodedArray(rows)


def is_list_of_numbers(kind: pa.DataType) -> bool:
    import pyarrow as pa

    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(holds(kind) for holds in lists):
        return False
    return bool(pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))
