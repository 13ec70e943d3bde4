"""The data of a drafted recipe: which source a file or a folder is, and a look at some of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, InputError
from kdeploy.records.samples import InputKind
from kdeploy.samples import sources
from kdeploy.samples.contents import Contents
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.split import Rows, any_label

ROWS = 256  # rows that are decoded, spread over the labelled ones, or over all where there are none


@dataclass(frozen=True)
class Sample:
    """Data that a recipe can name, and some labelled rows of them; where nothing is labelled, some rows.

    Args:
        key: that of the recipe, such as `images`.
        size: (height, width) to which its images must be resized, or None.
        split: counts that use every label, or where there are none every row; empty where the data say their parts
            themselves.
        inputs: canonical samples, (rows that were looked at, *shape).
        labels: int64, one for each of these; -1 where nothing is labelled.
        rows: how many there are in all, test rows included.
    """

    key: str
    size: tuple[int, int] | None
    name: str
    kind: InputKind
    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: Mapping[str, int]
    rows: int

    @property
    def any_label(self) -> bool:
        return any_label(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inputs.shape[1:]


def look_at(path: Path, *, size: tuple[int, int] | None) -> Sample:
    """The data at a path, with some labelled rows of them; where nothing is labelled, with some rows.

    Args:
        size: (height, width) for images of different sizes; None takes the first image's.
    Raises: InputError when no source can read them; DataError when they have several inputs or too few samples.
    """
    key = source_key(path)
    contents = sources.source_of({key: str(path)}).contents(limit_bytes=sources.SIZE_LIMIT_BYTES)
    rows = _spread(contents)
    target = None
    try:
        inputs_by_name = contents.decode(rows)
    except DataError:
        if key not in ("images", "parquet"):
            raise
        # of different sizes, or damaged: then the second try says so
        target = size or _first_size(contents, rows)
        again = sources.source_of({key: str(path), "size": target})
        inputs_by_name = again.contents(limit_bytes=sources.SIZE_LIMIT_BYTES).decode(rows)
    if len(inputs_by_name) != 1:
        must, advice = "must have one input for a recipe to be drafted", "Write the recipe by hand."
        raise DataError(str(path), must, got=", ".join(inputs_by_name), advice=advice)
    name, (inputs, kind) = next(iter(inputs_by_name.items()))
    return Sample(
        key=key,
        size=target,
        name=name,
        kind=kind,
        inputs=np.asarray(inputs),
        labels=contents.labels[rows],
        class_names=contents.class_names,
        split=_split(contents),
        rows=len(contents.labels),
    )


def source_key(path: Path) -> str:
    """The recipe's key for a file or a folder.

    Raises: InputError when it is none that a source reads.
    """
    if path.is_file() and path.suffix == ".npz":
        return "numpy"
    if path.is_dir():
        if any(path.glob("*.parquet")):
            return "parquet"
        suffixes = {file.suffix.lower() for file in path.rglob("*")}
        for key, decoder in (("images", Pictures), ("audio", Sounds)):
            if suffixes.intersection(decoder.suffixes):
                return key
    got = "an empty folder or one of other files" if path.is_dir() else "no such data"
    must = "must be an .npz file, or a folder of .parquet, image or sound files"
    raise InputError(str(path), must, got=got, advice="See the README for how data are laid out.")


def _spread(contents: Contents) -> Rows:
    """Up to 256 of the rows that can be any part's but the source's own test rows, int64, evenly spaced."""
    rows = np.flatnonzero(_drawn(contents))
    if len(rows) < 3:
        must = f"must have at least 3 {'labelled ' if any_label(contents.labels) else ''}samples"
        raise DataError(contents.where, must, got=str(len(rows)), advice="Give more of them.")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(np.int64))]


def _first_size(contents: Contents, rows: Rows) -> tuple[int, int]:
    array, _ = next(iter(contents.decode(rows[:1]).values()))
    return array.shape[2], array.shape[3]


def _split(contents: Contents) -> dict[str, int]:
    """Counts that use all labels: a fifth is for the test part where the data have none, a fiftieth is held out.

    Where nothing is labelled the parts are drawn from all rows in the same way.
    """
    if contents.given is not None:
        return {}
    labels = int(_drawn(contents).sum())
    test = 0 if contents.first_test is not None else max(1, labels // 5)
    held_out = max(1, min((labels - test) // 5, max(20, (labels - test) // 50)))
    nameless = len(contents.labels[: contents.first_test]) - labels
    taught = {"labeled": labels - test - held_out, "unlabeled": nameless}
    counts = (taught if any_label(contents.labels) else {"unlabeled": taught["labeled"]}) | {"held_out": held_out}
    return counts | ({"test": test} if test else {})


def _drawn(contents: Contents) -> NDArray[np.bool_]:
    """Which rows the parts are drawn from, bool: the labelled ones, or all where nothing is labelled."""
    labels = contents.labels[: contents.first_test]
    return labels >= 0 if any_label(contents.labels) else np.ones(len(labels), bool)
