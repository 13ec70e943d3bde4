"""Images, sounds or rows of numbers in parquet, as Hugging Face lays them out: a folder of `SPLIT-*.parquet` files.

Which file holds which split: `parquet_files.py`; which columns are the input and the labels: `parquet_columns.py`. An
input that is text names a file in the folder. Labels are read as those of arrays (`arrays/labels.py`), null is no
label, and the names of numbered classes stand in the schema metadata under the key `huggingface`. Rows with the same
value in the column that `groups` names are never divided between training, held-out and test part. Only the rows that
some part takes are decoded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.terms import OutputsName
from kdeploy.runtimes import regular_file
from kdeploy.samples import parquet_columns
from kdeploy.samples.arrays import targets
from kdeploy.samples.arrays.labels import Labels
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.parquet_columns import Columns, Look
from kdeploy.samples.parquet_files import ParquetFiles, list_files
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import numbered_classes
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
    """A folder of parquet files, or one file; what decodes their images or sounds; columns that the recipe names."""

    folder: Path
    pictures: Pictures = AS_THEY_ARE
    sounds: Sounds = AS_THEY_SOUND
    groups: str | None = None
    x: str | None = None
    y: str | None = None
    outputs: OutputsName = "classes"

    @property
    def where(self) -> str:
        return str(self.folder)

    def files(self) -> list[Path]:
        """Every file that the content hash is over."""
        return [*self._files.all, *self._named_files()]

    def content_hash(self) -> str:
        """SHA-256 over name and SHA-256 of each file that is read."""
        return digest_of(self._files.all, self._named_files())

    @property
    def origin(self) -> dict[str, str]:
        return {"parquet": self.folder.name}

    def contents(self, room: Room) -> Contents:
        """The rows with their labels; they are decoded later."""
        files, columns = self._files.all, self._columns
        for file in files:
            check_there(file, columns.both)
            _check_type(file, files[0], columns.x)
        read, counts = _labels(files, columns.y, self.outputs)
        numbers, first_rows = read.numbers, np.cumsum([0, *counts])
        class_names = read.names or numbered_classes(numbers, str(files[0]))
        ends = np.cumsum([sum(counts[files.index(file)] for file in some) for some in self._files.of.values()])
        kind = kind_of(self.outputs)
        for file, (start, end) in zip(files, pairwise(first_rows), strict=True):
            every = bool(start >= ends[0] and kind.known(numbers).any())
            kind.check(numbers[start:end], len(class_names), str(file), every=every)

        def decode(rows: Rows) -> Decoded:
            encoded = _encoded(files, first_rows, rows, columns, self._root)
            found = self._decoder.decode(encoded, len(rows), room=room, where=self.where)
            inputs = {self._decoder.input_name: (found.array, self._decoder.kind)}
            return Decoded(inputs, found.left_out, found.assumed)

        return Contents(
            numbers,
            class_names,
            decode,
            self.where,
            outputs=self.outputs,
            first_test=int(ends[-2]) if len(ends) > 1 else None,
            first_held_out=int(ends[0]) if len(ends) > 2 else None,
            groups=None if self.groups is None else _groups(files, self.groups),
            assumed=(*self._files.assumed, *columns.assumed, *read.assumed),
        )

    @cached_property
    def _files(self) -> ParquetFiles:
        return list_files(self.folder)

    @property
    def _root(self) -> Path:
        """The folder in which files are that a column names."""
        return self.folder if self.folder.is_dir() else self.folder.parent

    @cached_property
    def _columns(self) -> Columns:
        file = self._files.all[0]
        schema = opened(file).schema_arrow
        check_there(file, schema.names)
        return parquet_columns.find(Look(file, schema, features_of(file), _first_values(file)), self.x, self.y)

    @property
    def _decoder(self) -> Pictures | Sounds | Vectors:
        columns = self._columns
        if columns.kind == "numbers":
            return Vectors(columns.x)
        return self.pictures if columns.kind == "image" else self.sounds

    def _named_files(self) -> Iterator[Path]:
        """The files that cells of the input name, in order, as far as they are there."""
        for file in self._files.all:
            for name in _names_in(file, self._columns):
                if (named := _file_in(self._root, name)) is not None:
                    yield named


def files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of the train split, and of the test split or else the validation split, which may be none."""
    found = list_files(folder).of
    return found["train"], found.get("test") or found.get("val") or []


def digest_of(files: Iterable[Path], named: Iterable[Path] = ()) -> str:
    """SHA-256 over name and SHA-256 of parquet files, and over the SHA-256 of those that their cells name."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {_digest(file)}\n".encode())
    for file in named:
        digest.update(f"{_digest(file)}\n".encode())
    return digest.hexdigest()


def _check_type(file: Path, first: Path, column: str) -> None:
    kind, expected = (opened(one).schema_arrow.field(column).type for one in (file, first))
    if kind != expected:
        must = f"must have {column} as {first.name} has it, {expected}"
        raise DataError(str(file), must, got=str(kind))


def _digest(file: Path) -> str:
    with regular_file.opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_values(file: Path) -> dict[str, Any]:
    """The first value of each column; only what the first row has is looked at."""
    names = [field.name for field in opened(file).schema_arrow]
    for batch in batches(file, names):
        for row in batch.slice(0, 1).to_pylist():
            return dict(row)
    return {}


def _labels(files: Sequence[Path], column: str | None, outputs: OutputsName) -> tuple[Labels, list[int]]:
    """The labels of all rows, unknown where they are null, and the number of rows of each file."""
    if column is None:
        counts = [opened(file).metadata.num_rows for file in files]
        return Labels(kind_of(outputs).none_known(sum(counts)), (), ("nothing is labelled",)), counts
    values, nulls = _values(files, column)
    read = targets.read(_joined(files, values, column), f"{files[0]}: {column}", outputs)
    missing = np.concatenate(nulls)
    said = (f"{int(missing.sum())} rows have no label: null in {column}",) if missing.any() else ()
    names = _class_names(files[0], column) or read.names
    known = read.numbers.copy()
    known[missing] = kind_of(outputs).unknown
    return Labels(known, names, (*read.assumed, *said)), list(map(len, nulls))


def _values(files: Sequence[Path], column: str) -> tuple[list[NDArray[Any]], list[NDArray[np.bool_]]]:
    """The labels of each file as an array, and which of them are null."""
    import pyarrow as pa

    values, nulls = [], []
    for file in files:
        kind = opened(file).schema_arrow.field(column).type
        some = pa.chunked_array([batch[column] for batch in batches(file, [column])], kind)
        values.append(_as_numpy(some, file, column))
        nulls.append(np.asarray(some.is_null().to_numpy(), np.bool_))
    return values, nulls


def _as_numpy(some: pa.ChunkedArray, file: Path, column: str) -> NDArray[Any]:
    """Labels in an array, whatever stands in place of a null."""
    import pyarrow as pa

    if pa.types.is_dictionary(some.type):
        some = some.cast(some.type.value_type)
    if _is_text(some.type):
        return np.array([value or "" for value in some.to_pylist()], np.str_)
    if pa.types.is_boolean(some.type):
        return np.asarray(some.fill_null(False).to_numpy(), np.bool_)
    if pa.types.is_integer(some.type):
        return np.asarray(some.fill_null(-1 if pa.types.is_signed_integer(some.type) else 0).to_numpy())
    if pa.types.is_floating(some.type):
        return np.asarray(some.to_numpy())
    lists = some.to_pylist() if is_list_of_numbers(some.type) else []
    if lists and None not in lists and len({len(one) for one in lists}) == 1:
        return np.array(lists)
    must = "must be whole numbers, text, categories or booleans, one a row"
    raise DataError(f"{file}: {column}", must, got=str(some.type), advice="Name another column under data.y.")


def _joined(files: Sequence[Path], values: Sequence[NDArray[Any]], column: str) -> NDArray[Any]:
    for file, some in zip(files, values, strict=True):
        if len(some) and _form(some) != _form(values[0]):
            got = f"{values[0].dtype} in {files[0].name}, {some.dtype} in {file.name}"
            raise DataError(f"{file}: {column}", "must have labels in one form in all files", got=got)
    return np.concatenate([some for some in values if len(some)] or values)


def _form(labels: NDArray[Any]) -> tuple[bool, int]:
    return labels.dtype.kind == "U", labels.ndim


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _class_names(file: Path, column: str) -> tuple[str, ...] | None:
    """The names in the file's Hugging Face features; None where there are none."""
    try:
        names = features_of(file)[column]["names"]
    except (KeyError, TypeError):
        return None
    return names_in(names, column, file)


def names_in(names: object, column: str, file: Path) -> tuple[str, ...]:
    """The class names of a column, from what the metadata of a file says of them."""
    if not isinstance(names, list):
        must = f"must have a list of names for {column} in its metadata key huggingface"
        raise DataError(str(file), must, got=json.dumps(names)[:80])
    return tuple(str(name) for name in names)


def features_of(file: Path) -> dict[str, Any]:
    """The Hugging Face features in the schema metadata of a file, by column; empty where there are none."""
    stored = (opened(file).schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(stored)["info"]["features"]
        return features if isinstance(features, dict) else {}
    except (ValueError, RecursionError) as exc:
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
    """Refuse a file without these columns, or with one of them twice."""
    names = opened(file).schema_arrow.names
    if not set(columns) <= set(names):
        noun = "column" if len(columns) == 1 else "columns"
        raise DataError(str(file), f"must have the {noun} {' and '.join(columns)}", got=", ".join(names))
    for column in columns:
        if names.count(column) > 1:
            raise DataError(str(file), f"must have one column {column}", got=str(names.count(column)))


def opened(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        regular_file.check(file)
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
    files: Sequence[Path], first_rows: NDArray[np.int64], rows: Rows, columns: Columns, root: Path
) -> Iterator[tuple[str, Any]]:
    """The place ("FILE: row N") and what the decoder reads, of each of the sorted global `rows`."""
    for file, (first, end) in zip(files, pairwise(first_rows), strict=True):
        local_rows = rows[(rows >= first) & (rows < end)] - first
        start = 0
        for batch in batches(file, [columns.x]):
            cells = batch[columns.x]
            for row in local_rows[(local_rows >= start) & (local_rows < start + len(batch))]:
                place = f"{file}: row {row}"
                yield place, _cell(cells[int(row) - start].as_py(), place, root, encoded=columns.kind != "numbers")
            start += len(batch)


def _cell(value: object, place: str, root: Path, *, encoded: bool) -> object:
    """What the decoder reads: a list of numbers; or bytes, those of a file where the cell names one."""
    if not encoded or value is None:
        return value
    if isinstance(value, dict):
        data = value.get("bytes")
        value = data if data is not None else value.get("path")
    return regular_file.read(_inside(root, value, place)) if isinstance(value, str) else value


def _inside(root: Path, name: str, place: str) -> Path:
    """A file that a cell names, in the folder or below it."""
    file = _file_in(root, name)
    if file is None:
        advice = "Embed the files, or put them beside the parquet file."
        raise DataError(place, "must name a file in this folder, or carry its bytes", got=name, advice=advice)
    return file


def _file_in(root: Path, name: str | None) -> Path | None:
    """A file of this name, in the folder or below it; None where there is none, or it is outside."""
    steps = Path(name or "").parts
    if not steps or Path(*steps).is_absolute() or ".." in steps or "\0" in str(name):
        return None
    file = root.joinpath(*steps)
    return file if file.is_file() else None


def _names_in(file: Path, columns: Columns) -> Iterator[str | None]:
    """The text of a column, or the paths in a column of struct<bytes, path>."""
    check_there(file, (columns.x,))
    kind = opened(file).schema_arrow.field(columns.x).type
    if _is_text(kind):
        for batch in batches(file, [columns.x]):
            yield from batch[columns.x].to_pylist()
    elif parquet_columns.has_bytes(kind) and kind.get_field_index("path") >= 0 and _is_text(kind.field("path").type):
        for batch in batches(file, [f"{columns.x}.path"]):
            yield from batch[columns.x].field("path").to_pylist()
