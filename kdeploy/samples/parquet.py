"""Images, sounds or rows of numbers in Hugging Face's parquet convention: a folder of `SPLIT-*.parquet` files.

Column `image` (or `audio`) is struct<bytes, path>, or else one column, of any name, holds lists of numbers of one
length. Column `label` is an integer (-1: no label), and the class names stand in the schema metadata under the key
`huggingface`. Rows with the same value in the column that `groups` names are never divided between training, held-out
and test part. The test part comes from the split `test`, or `validation` where there is no such split; everything else
from `train`. Only the rows that some part takes are decoded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import check_labels, numbered_classes
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.split import Rows
from kdeploy.samples.vectors import Vectors, is_list_of_numbers

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

AS_THEY_ARE, AS_THEY_SOUND = Pictures(), Sounds()
_BATCH_ROWS = 2_048


@dataclass(frozen=True)
class ParquetFolder:
    """A folder of parquet files, found by their names, and what decodes their images or sounds."""

    folder: Path
    pictures: Pictures = AS_THEY_ARE
    sounds: Sounds = AS_THEY_SOUND
    groups: str | None = None

    @property
    def where(self) -> str:
        return str(self.folder)

    def content_hash(self) -> str:
        """SHA-256 over name and SHA-256 of each file that is read."""
        digest = hashlib.sha256()
        train, test = files_of(self.folder)
        for file in (*train, *test):
            with file.open("rb") as stream:
                digest.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        return {"parquet": self.folder.name}

    def contents(self, room: Room) -> Contents:
        train, test = files_of(self.folder)
        files = [*train, *test]
        decoder = self._decoder(files[0])
        labels = [_labels(file, decoder.column) for file in files]
        first_rows = np.cumsum([0, *(len(some) for some in labels)])
        everything = np.concatenate(labels)
        class_names = _class_names(files[0], everything)
        for file, some in zip(files, labels, strict=True):
            check_labels(some, least=0 if file in test else -1, classes=len(class_names), where=str(file))

        def decode(rows: Rows) -> Decoded:
            encoded = _encoded(files, first_rows, rows, decoder)
            array, left_out, assumed = decoder.decode(encoded, len(rows), room=room, where=self.where)
            return Decoded({decoder.input_name: (array, decoder.kind)}, left_out, assumed)

        first_test = int(first_rows[len(train)]) if test else None
        groups = None if self.groups is None else _groups(files, self.groups)
        return Contents(everything, class_names, decode, self.where, first_test, groups=groups)

    def _decoder(self, file: Path) -> Pictures | Sounds | Vectors:
        schema = opened(file).schema_arrow
        if "image" in schema.names:
            return self.pictures
        return self.sounds if "audio" in schema.names else Vectors.among(schema) or self.pictures


def files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of the train split, and of the test split, which may be none."""
    splits = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in ("train", "test", "validation")}
    if not splits["train"]:
        names = ", ".join(sorted(path.name for path in folder.glob("*"))[:5]) or "nothing"
        advice = "Give a folder of Hugging Face parquet files."
        raise DataError(str(folder), "must hold train-*.parquet files", got=names, advice=advice)
    return splits["train"], splits["test"] or splits["validation"]


def _labels(file: Path, column: str) -> NDArray[np.int64]:
    """The labels of a file, int64 (rows,), after a check of its columns."""
    import pyarrow as pa

    schema = opened(file).schema_arrow
    _check_columns(schema, column, file)
    labels = pa.chunked_array([batch["label"] for batch in batches(file, ["label"])], schema.field("label").type)
    if labels.null_count:
        row = labels.is_null().index(True).as_py()
        raise DataError(f"{file}: row {row}", "must have a label, or -1 for none", got="null")
    return np.asarray(labels.to_numpy(), dtype=np.int64)


def _check_columns(schema: pa.Schema, column: str, file: Path) -> None:
    import pyarrow as pa

    check_there(file, (column, "label"))
    kind, label = schema.field(column).type, schema.field("label").type
    encoded = column in ("image", "audio")
    fits = _has_bytes(kind) if encoded else is_list_of_numbers(kind)
    if not fits or not pa.types.is_integer(label):
        form = "struct<bytes, path>" if encoded else "lists of floating point numbers"
        must = f"must have {column} as {form} and label as an integer"
        raise DataError(str(file), must, got=f"{column} {kind}, label {label}")


def _has_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    at = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
    return at >= 0 and kind.field(at).type in (pa.binary(), pa.large_binary())


def _class_names(file: Path, labels: NDArray[np.int64]) -> tuple[str, ...]:
    """The names in the file's Hugging Face features, else the numbers up to the largest label."""
    try:
        names = features_of(file)["label"]["names"]
    except (KeyError, TypeError):
        return numbered_classes(labels, str(file))
    return tuple(str(name) for name in names)


def features_of(file: Path) -> Any:  # noqa: ANN401 - JSON of any kind
    """The Hugging Face features in the schema metadata of a file, by column; empty where there are none."""
    stored = (opened(file).schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        return json.loads(stored)["info"]["features"]
    except ValueError as exc:
        must = "must have JSON in its metadata key huggingface"
        raise DataError(str(file), must, got=str(exc)) from exc
    except (KeyError, TypeError):
        return {}


def _groups(files: Sequence[Path], column: str) -> NDArray[np.int64]:
    """The number of the group of each row, int64 (N,)."""
    names: list[str] = []
    for file in files:
        check_there(file, (column,))
        names += [str(name) for batch in batches(file, [column]) for name in batch[column].to_pylist()]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def check_there(file: Path, columns: Sequence[str]) -> None:
    """Refuse a file without these columns."""
    names = opened(file).schema_arrow.names
    if not set(columns) <= set(names):
        noun = "column" if len(columns) == 1 else "columns"
        raise DataError(str(file), f"must have the {noun} {' and '.join(columns)}", got=", ".join(names))


def opened(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as exc:
        raise _unreadable(file, exc) from exc


def batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The columns of a file in pieces, so that its size does not matter."""
    import pyarrow as pa

    try:
        yield from opened(file).iter_batches(columns=list(columns), batch_size=_BATCH_ROWS)
    except (OSError, pa.ArrowException) as exc:
        raise _unreadable(file, exc) from exc


def rows_of(file: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file, one at a time, as dicts by column.

    Raises: DataError when it has not these columns.
    """
    check_there(file, columns)
    for batch in batches(file, columns):
        for row in range(len(batch)):
            yield batch.slice(row, 1).to_pylist()[0]


def _unreadable(file: Path, exc: Exception) -> DataError:
    return DataError(str(file), "must be a readable parquet file", got=str(exc).splitlines()[0])


def _encoded(
    files: Sequence[Path], first_rows: NDArray[np.int64], rows: Rows, decoder: Pictures | Sounds | Vectors
) -> Iterator[tuple[str, Any]]:
    """The place ("FILE: row N") and what the decoder reads, of each of the sorted global `rows`."""
    for file, (first, end) in zip(files, pairwise(first_rows), strict=True):
        local_rows = rows[(rows >= first) & (rows < end)] - first
        start = 0
        for batch in batches(file, [decoder.column]):
            cells = batch[decoder.column]
            encoded = cells if isinstance(decoder, Vectors) else cells.field("bytes")
            for row in local_rows[(local_rows >= start) & (local_rows < start + len(batch))]:
                yield f"{file}: row {row}", encoded[int(row) - start].as_py()
            start += len(batch)
