"""The data of a drafted recipe: which source a file or a folder is, and a look at some of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, InputError
from kdeploy.records.samples import InputKind
from kdeploy.samples import sources
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.foreign_files import described
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.split import Rows, any_label, can_be_drawn
from kdeploy.samples.tree import files_in

ROWS = 256  # rows that are decoded, spread over the labelled ones, or over all where there are none


@dataclass(frozen=True)
class Sample:
    """Data that a recipe can name, and some labelled rows of them; where nothing is labelled, some rows.

    Args:
        key: that of the recipe, such as `images`.
        options: keys of the recipe that say how it must be decoded, such as the size of images of many.
        split: counts that use every label, or where there are none every row; empty where the data say their parts
            themselves.
        inputs: canonical samples, (rows that were looked at, *shape).
        labels: int64, one for each of these; -1 where nothing is labelled.
        rows: how many there are in all, test rows included.
        assumed: what had to be assumed about them, a line each.
    """

    key: str
    options: Mapping[str, Any]
    name: str
    kind: InputKind
    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: Mapping[str, int]
    rows: int
    assumed: tuple[str, ...] = ()

    @property
    def any_label(self) -> bool:
        return any_label(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inputs.shape[1:]


def look_at(
    path: Path, *, size: tuple[int, int] | None, mode: str | None = None, classes: Sequence[str] = ()
) -> Sample:
    """The data at a path, with some labelled rows of them; where nothing is labelled, with some rows.

    Args:
        size: (height, width) for images of different sizes; None takes the first image's.
        mode: that of images of different modes; None takes none of them.
        classes: their order, where it is not that of the data.
    Raises: InputError when no source can read them; DataError when they have several inputs or too few samples.
    """
    key = source_key(path)
    options: dict[str, Any] = {"classes": [*classes]} if classes else {}
    source = {key: str(path)} | options
    contents = sources.source_of(source).contents(sources.ROOM)
    rows = _spread(contents)
    try:
        decoded = contents.decode(rows)
    except DataError as exc:
        if key not in ("images", "parquet"):
            raise
        decoded, more = _converted(source, rows, size, mode, exc)
        options |= more
    if len(decoded.inputs) != 1:
        must, advice = "must have one input for a recipe to be drafted", "Write the recipe by hand."
        raise DataError(str(path), must, got=", ".join(decoded.inputs), advice=advice)
    name, (inputs, kind) = next(iter(decoded.inputs.items()))
    return Sample(
        key=key,
        options=options,
        name=name,
        kind=kind,
        inputs=np.asarray(inputs),
        labels=contents.labels[rows],
        class_names=contents.class_names,
        split=_split(contents),
        rows=len(contents.labels),
        assumed=(*contents.assumed, *decoded.assumed),
    )


def _converted(
    source: dict[str, Any], rows: Rows, size: tuple[int, int] | None, mode: str | None, refused: DataError
) -> tuple[Decoded, dict[str, Any]]:
    """The rows in one mode, resized, or both, and the keys of the recipe that say so; the fewest that are enough.

    Raises: the last error, or the first where nothing could be converted; of damage each of them says the same.
    """
    converted: dict[str, Any] = {"mode": mode}
    for modes, resized in (({}, True), (converted, False), (converted, True)):
        if modes and mode is None:
            continue
        try:
            options = modes | ({"size": list(size or _first_size(source | modes, rows))} if resized else {})
            return sources.source_of(source | options).contents(sources.ROOM).decode(rows), options
        except DataError as exc:
            refused = exc
    raise refused


def source_key(path: Path) -> str:
    """The recipe's key for a file or a folder.

    Raises: InputError when it is none that a source reads.
    """
    suffix = path.suffix.lower() if path.is_file() else ""
    if suffix in (".npz", ".npy"):
        return "numpy"
    if suffix == ".parquet":
        return "parquet"
    if path.is_dir():
        suffixes = Counter(entry.suffix for entry in files_in(path))
        if ".parquet" in suffixes and (any(path.glob("*.parquet")) or any(path.glob("*/*.parquet"))):
            return "parquet"
        images, sounds = (sum(suffixes[one] for one in kind.suffixes) for kind in (Pictures, Sounds))
        arrays = len([*path.glob("*.npy")])
        if arrays or images or sounds:  # what most are: a cover among sounds makes them no images
            return max((arrays, "numpy"), (images, "images"), (sounds, "audio"), key=lambda kind: kind[0])[1]
    got, advice = described(path)
    must = "must be an .npz, .npy or .parquet file, or a folder of such files, of images or of sounds"
    raise InputError(str(path), must, got=got, advice=advice)


def _spread(contents: Contents) -> Rows:
    """Up to 256 of the rows that any part can be drawn from, int64, evenly spaced."""
    rows = np.flatnonzero(_drawn(contents))
    if len(rows) < 3:
        must = f"must have at least 3 {'labelled ' if any_label(contents.labels) else ''}samples"
        raise DataError(contents.where, must, got=str(len(rows)), advice="Give more of them.")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(np.int64))]


def _first_size(source: Mapping[str, Any], rows: Rows) -> tuple[int, int]:
    first = sources.source_of(source).contents(sources.ROOM).decode(rows[:1])
    array, _ = next(iter(first.inputs.values()))
    return array.shape[2], array.shape[3]


def _split(contents: Contents) -> dict[str, int]:
    """Counts that use all labels: a fifth is for the test part where the data have none, a fiftieth is held out.

    Where nothing is labelled the parts are drawn from all rows in the same way.
    """
    if contents.given is not None:
        return {}
    labels = int(_drawn(contents).sum())
    test = 0 if contents.first_test is not None else max(1, labels // 5)
    own = contents.first_held_out is not None
    held_out = 0 if own else max(1, min((labels - test) // 5, max(20, (labels - test) // 50)))
    taught = {"labeled": labels - test - held_out, "unlabeled": len(contents.to_learn_from) - labels}
    counts = taught if any_label(contents.labels) else {"unlabeled": taught["labeled"]}
    return counts | ({"held_out": held_out} if held_out else {}) | ({"test": test} if test else {})


def _drawn(contents: Contents) -> NDArray[np.bool_]:
    return can_be_drawn(contents.labels, len(contents.to_learn_from))
