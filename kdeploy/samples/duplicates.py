"""Samples that stand in two parts: the same canonical arrays, bit for bit, in the test part and in another.

A sample's key is SHA-256 over its canonical arrays; near duplicates, such as one photograph compressed twice, are not
found. What a network has seen in training says little about what it has not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from kdeploy.errors import DataError
from kdeploy.records.samples import DuplicatesInfo, Overlap
from kdeploy.samples.room import pieces
from kdeploy.samples.split import Rows
from kdeploy.samples.windows import Canonical

Policy = Literal["report", "drop", "error"]
_FIRST = 5  # indices that are named


def find(inputs: Mapping[str, Canonical], parts: Mapping[str, Rows]) -> dict[str, Rows]:
    """The sorted rows of the training parts ("transfer") and of the held-out part that are in the test part too.

    Args:
        inputs: canonical arrays by name, each (N, ...).
        parts: int64 rows of each part.
    """
    test = set(_keys(inputs, parts["test"]))
    training = np.sort(np.concatenate([parts["labeled"], parts["unlabeled"]]))
    looked_at = {"transfer": training, "held_out": parts["held_out"]}
    return {
        name: rows[np.fromiter((key in test for key in _keys(inputs, rows)), bool, len(rows))]
        for name, rows in looked_at.items()
    }


def treat(
    duplicates: Mapping[str, Rows], parts: Mapping[str, Rows], policy: Policy
) -> tuple[Mapping[str, Rows], DuplicatesInfo]:
    """The parts as the policy leaves them, and the record of the duplicates.

    Args:
        duplicates: as `find` gives them.

    Raises: DataError when there are duplicates and that is to be an error, or no labelled sample would be left.
    """
    record = DuplicatesInfo(
        transfer=_overlap(duplicates["transfer"]), held_out=_overlap(duplicates["held_out"]), dropped=policy == "drop"
    )
    if policy == "error" and record.any:
        advice = "Set data.duplicates to drop, or to report."
        raise DataError(
            "data", "must have no sample of the test part in another part", got=record.counted, advice=advice
        )
    if policy != "drop":
        return parts, record
    remainder = {name: np.setdiff1d(parts[name], duplicates["transfer"]) for name in ("labeled", "unlabeled")}
    if not len(remainder["labeled"]):
        must, advice = (
            "must leave at least 1 labelled sample that is not in the test part",
            "Set data.duplicates to report.",
        )
        raise DataError("data", must, got="0", advice=advice)
    return {**parts, **remainder}, record


def _overlap(rows: Rows) -> Overlap:
    return Overlap(count=len(rows), first=tuple(rows[:_FIRST].tolist()))


def _keys(inputs: Mapping[str, Canonical], rows: Rows) -> Iterator[bytes]:
    row_bytes = max(array.dtype.itemsize * math.prod(array.shape[1:]) for array in inputs.values())
    for piece in pieces(len(rows), row_bytes):
        chunk = rows[piece]
        arrays = [np.ascontiguousarray(inputs[name][chunk]) for name in sorted(inputs)]
        for position in range(len(chunk)):
            digest = hashlib.sha256()
            for array in arrays:
                digest.update(array[position].data)
            yield digest.digest()
