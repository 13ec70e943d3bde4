"""Arrays in a NumPy archive, `FILE.npz`, or in several files: `FILE.npy` with its labels beside it, a folder of `.npy`.

    x, or any names      inputs (N, ...), one or several; what their axes and values mean: `arrays/pixels.py`
    y                    labels (N,), -1 for none, and the other forms of `arrays/labels.py`; or none at all
    x_test, ..., y_test  the source's own test rows (each input's name with `_test`); likewise `_val`, held out
    part                 strings (N,): labelled, unlabelled, held_out or test; then nothing is divided
    classes              strings: the class names, else those of the labels, else the numbers up to the largest label

Arrays may have other names: `arrays/names.py`; that of an `.npy` file is its own. The files are not trusted: pickled
objects are refused before they are read, and the size of each member is taken from its header and checked before
anything is allocated.
"""

from __future__ import annotations

import hashlib
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from kdeploy.errors import DataError, IntegrityError, ResourceError
from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.kind import Kind
from kdeploy.outputs.terms import OutputsName
from kdeploy.samples.arrays import names as array_names
from kdeploy.samples.arrays import pixels, targets
from kdeploy.samples.arrays.labels import Labels
from kdeploy.samples.arrays.names import SPLITS, Names, Split
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.foreign_files import described
from kdeploy.samples.room import IN_MEMORY, Room, pieces
from kdeploy.samples.sampleset import check_finite, numbered_classes
from kdeploy.samples.split import PARTS, Counts, Rows

Array = NDArray[Any]

_MOST_EXPANSION = 200  # real arrays compress up to some tens of times, zeros about a thousand
_BOMB_BYTES = 64 << 20  # below this nobody needs protection
# what zipfile and NumPy's header parser raise on damage; NumPy tokenizes a header of its first format when it fails
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class NumpyFile:
    """One `.npz` file, one `.npy` file with those beside it that belong to it, or a folder of such.

    The recipe may name its input `x` and its labels `y`, and say the order of the axes.
    """

    file: Path
    x: str | None = None
    y: str | None = None
    layout: pixels.Layout | None = None
    outputs: OutputsName = "classes"

    @property
    def where(self) -> str:
        return str(self.file)

    def files(self) -> list[Path]:
        """Every file that the content hash is over."""
        return self._files() or [self.file]

    def content_hash(self) -> str:
        """SHA-256 of the archive; of several files, over their names and the SHA-256 of each."""
        files = self._files()
        if files is None:
            return _digest(self.file)
        lines = (f"{file.name} {_digest(file)}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        return {"numpy": self.file.name}

    def contents(self, room: Room) -> Contents:
        arrays, where = self._arrays(room), self.where
        x = self.file.stem if self.x is None and self.file.suffix.lower() == ".npy" else self.x
        names = array_names.find(arrays, where, x=x, y=self.y)
        splits = _splits(arrays, names, where)
        read, ends = _labels(arrays, names, splits, where, self.outputs)
        labels = read.numbers
        class_names = _class_names(array_names.classes(arrays), read, where)
        first_test = ends[-2] if len(ends) > 1 else None
        of_splits = [names.labels[split] for split in splits if names.labels]
        _check_range(labels, ends, of_splits, len(class_names), where, kind_of(self.outputs))
        inputs = {
            name: pixels.read(_rows_of(arrays, named, names.beside, where, room), f"{where}: {name}", self.layout)
            for name, named in names.inputs.items()
        }
        _check_inputs(inputs, labels, where)
        part = arrays.get("part")
        return Contents(
            labels=labels,
            class_names=class_names,
            decode=lambda rows: Decoded({name: (some.taken(rows, room), some.kind) for name, some in inputs.items()}),
            where=where,
            outputs=self.outputs,
            first_test=first_test,
            first_held_out=ends[0] if len(ends) > 2 else None,
            given=None if part is None else partial(_given_parts, part, len(labels), first_test, where),
            assumed=(*names.assumed, *read.assumed, *(line for some in inputs.values() for line in some.assumed)),
        )

    def _files(self) -> list[Path] | None:
        """The `.npy` files, sorted; None where there is one archive."""
        if self.file.is_dir():
            return _npy_files(self.file)
        _check_there(self.file)
        if self.file.suffix.lower() != ".npy":
            return None
        others = {file.stem: file for file in _npy_files(self.file.parent) if file.stem != self.file.stem}
        asked = [name for name in (self.x, self.y) if name in others]
        belonging = {*array_names.beside(self.file.stem, others), *asked}
        return sorted([self.file, *(others[name] for name in belonging)])

    def _arrays(self, room: Room) -> dict[str, Array]:
        files = self._files()
        return read_archive(self.file, room) if files is None else {file.stem: read_array(file) for file in files}


def _npy_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".npy" and file.is_file())


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_archive(file: Path, room: Room) -> dict[str, Array]:
    """Every array of an `.npz` by its name, of any shape; none may hold objects.

    Raises: IntegrityError for an array of objects, which would unpickle; ResourceError where there is no room for all;
        DataError for a bomb or a corrupt file.
    """
    _check_there(file)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, file, room.limit_bytes)
            return {one.filename.removesuffix(".npy"): _member(archive, one, file, room) for one in archive.filelist}
    except _UNREADABLE as exc:
        if file.suffix.lower() not in (".npz", ".npy"):
            got, advice = described(file)
            raise DataError(str(file), "must be an .npz file", got=got, advice=advice) from exc
        raise DataError(str(file), "must be a readable .npz file", got=_reason(exc)) from exc


def read_array(file: Path) -> Array:
    """The array of an `.npy`, of any shape, read with the care of `read_archive`; a large one is mapped, not read.

    Raises: what `read_archive` raises, but for room.
    """
    try:
        with file.open("rb") as stream:
            shape, fortran, dtype = _header(stream)
            start = stream.tell()
            _check_header(shape, dtype, file.stat().st_size - start, str(file))
            if math.prod(shape) * dtype.itemsize > IN_MEMORY:
                return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")
            stream.seek(0)
            array: Array = npy_format.read_array(stream, allow_pickle=False)
    except _UNREADABLE as exc:
        raise DataError(str(file), "must be a readable .npy file", got=_reason(exc)) from exc
    return array


def _reason(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__).splitlines()[0][:100]


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise DataError(
            str(file), "must be an .npz file", got="no such file", advice="Check the path and the data root."
        )


def _check_sizes(archive: zipfile.ZipFile, file: Path, limit_bytes: int) -> None:
    """Refuse an archive by what its directory says; zipfile never reads more than that from a member."""
    if len(set(archive.namelist())) != len(archive.filelist):
        raise DataError(str(file), "must have each array once", got="a name twice")
    size_bytes = sum(member.file_size for member in archive.filelist)
    packed_bytes = max(1, file.stat().st_size)
    if size_bytes > max(_BOMB_BYTES, _MOST_EXPANSION * packed_bytes):
        must = f"must unpack to at most {_MOST_EXPANSION} times its size"
        raise DataError(str(file), must, got=f"{packed_bytes} bytes to {size_bytes}")
    if size_bytes > limit_bytes:
        must = f"must unpack to at most {limit_bytes} bytes"
        raise ResourceError(str(file), must, got=str(size_bytes), advice="Store fewer samples.")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, room: Room) -> Array:
    where = f"{file}: {member.filename}"
    with archive.open(member) as stream:
        shape, fortran, dtype = _header(stream)
        _check_header(shape, dtype, member.file_size - stream.tell(), where)
        if math.prod(shape) * dtype.itemsize > IN_MEMORY:
            return _unpacked(stream, shape[::-1] if fortran else shape, dtype, room, where, turned=fortran)
    with archive.open(member) as stream:
        array: Array = npy_format.read_array(stream, allow_pickle=False)
    return array


def _unpacked(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], room: Room, where: str, *, turned: bool
) -> Array:
    """A large array, its bytes written where it will be, piece by piece; `turned`, its axes in the other order."""
    array = room.array(shape, dtype, where, "Store fewer samples.")
    flat = array.reshape(-1).view(np.uint8).data
    for piece in pieces(len(flat), 1):
        flat[piece] = stream.read(piece.stop - piece.start)  # the size of the member is checked, and its CRC
    return array.T if turned else array


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any], held_bytes: int, where: str) -> None:
    if dtype.hasobject:
        advice = "Save it again as plain numbers or strings."
        raise IntegrityError(where, "must not hold Python objects, which run code when read", advice=advice)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held_bytes:
        got = f"shape {shape} of {dtype} over {held_bytes} bytes"
        raise DataError(where, "must hold as many bytes as its header says", got=got)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape of an array, whether its first axis is the one that changes fastest, and its type."""
    version = npy_format.read_magic(stream)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(stream)
    except MemoryError as exc:  # a header is short, so this is the parser's depth and not the machine's memory
        raise ValueError("its header is nested too deeply") from exc
    return shape, fortran, dtype


def _splits(arrays: Mapping[str, Array], names: Names, where: str) -> tuple[Split, ...]:
    """The splits that the file has, in order; their labels and the rows of each input come together."""
    here = {split for named in (names.labels, *names.inputs.values()) for split in named}
    for split in sorted((here if names.labels else set()) - names.labels.keys(), key=SPLITS.index):
        label, got = _twin(names.labels, split), ", ".join(arrays)
        noun = "" if split == "train" else f" beside its {split} inputs"
        raise DataError(where, f"must have the labels {label}{noun}", got=got)
    return tuple(split for split in SPLITS if split in here)


def _twin(named: Mapping[Split, str], split: Split) -> str:
    """What an array of another split of these would be called."""
    return f"{named.get('train', next(iter(named.values())))}{'' if split == 'train' else f'_{split}'}"


def _labels(
    arrays: Mapping[str, Array], names: Names, splits: Sequence[Split], where: str, outputs: OutputsName
) -> tuple[Labels, list[int]]:
    """Labels of all rows, a row each, split after split, and the row at which each of these ends."""
    if not names.labels:
        named = next(iter(names.inputs.values()))
        ends = np.cumsum([len(arrays[named[split]]) for split in splits]).tolist()
        return Labels(kind_of(outputs).none_known(ends[-1]), (), ("nothing is labelled",)), ends
    some = [arrays[names.labels[split]] for split in splits]
    name = f"{where}: {names.labels[splits[0]]}"
    for split, array in zip(splits, some, strict=True):
        if _class_of(array) != _class_of(some[0]):
            got = f"{some[0].dtype} {some[0].shape} and {array.dtype} {array.shape}"
            must = f"must have {names.labels[splits[0]]} and {names.labels[split]} in one form"
            raise DataError(where, must, got=got)
    if some[0].ndim == 0:
        return targets.read(some[0], name, outputs), []
    ends = np.cumsum([len(array) for array in some]).tolist()
    return targets.read(np.concatenate(some), name, outputs), ends


def _class_of(labels: Array) -> tuple[str, tuple[int, ...]]:
    return labels.dtype.kind.replace("u", "i"), labels.shape[1:]


def _check_range(
    labels: Array, ends: Sequence[int], names: Sequence[str], classes: int, where: str, kind: Kind
) -> None:
    for name, start, end in zip(names, (0, *ends[:-1]), ends, strict=bool(names)):
        every = bool(start) and bool(kind.known(labels).any())
        kind.check(labels[start:end], classes, f"{where}: {name}", every=every)


def _rows_of(
    arrays: Mapping[str, Array], named: Mapping[Split, str], labels: Mapping[Split, str], where: str, room: Room
) -> Array:
    """The rows of one input, split after split."""
    splits = [split for split in SPLITS if split in labels]
    for split in splits:
        if split not in named:
            noun = f"the {split} input" if split != "train" else "the input"
            must = f"must have {noun} {_twin(named, split)} beside {labels[split]}"
            raise DataError(where, must, got=", ".join(arrays))
    some = [arrays[named[split]] for split in splits]
    for split, array in zip(splits, some, strict=True):
        if array.dtype != some[0].dtype or array.shape[1:] != some[0].shape[1:]:
            got = f"{some[0].dtype} {some[0].shape} and {array.dtype} {array.shape}"
            must = f"must have {named[splits[0]]} and {named[split]} of one shape and dtype"
            raise DataError(where, must, got=got)
    if len(some) == 1 or some[0].ndim == 0:
        return some[0]
    return room.joined([(array, np.arange(len(array))) for array in some], some[0].dtype, where)


def _check_inputs(inputs: Mapping[str, pixels.Pixels], labels: Array, where: str) -> None:
    for name, some in inputs.items():
        if some.kind == "array":
            check_finite(some.array, f"{where}: {name}")
        if len(some.array) != len(labels):
            got = f"{len(some.array)} samples, {len(labels)} labels"
            raise DataError(f"{where}: {name}", "must have as many samples as there are labels", got=got)


def _given_parts(part: Array, count: int, first_test: int | None, where: str, counts: Counts) -> dict[str, Rows]:
    """The rows of each part as the file itself says; its own test rows, where it has some, are test rows."""
    if counts != Counts():
        advice = "Leave split out, or take part out of the file."
        raise DataError(f"{where}: split", "must not be given where the file has part", advice=advice)
    stated = count if first_test is None else first_test
    if part.dtype.kind != "U" or part.shape != (stated,):
        raise DataError(f"{where}: part", f"must be {stated} strings", got=f"{part.dtype} {part.shape}")
    unknown = ~np.isin(part, PARTS)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(f"{where}: part", f"must be one of {', '.join(PARTS)}", got=f"sample {row} has {part[row]}")
    rows = np.arange(count, dtype=np.int64)
    own_test = rows[stated:]
    chosen = {name: rows[:stated][part == name] for name in PARTS}
    return chosen | {"test": np.concatenate([chosen["test"], own_test])}


def _class_names(classes: Array | None, read: Labels, where: str) -> tuple[str, ...]:
    if classes is None:
        return read.names or numbered_classes(read.numbers, f"{where}: y")
    if classes.dtype.kind not in "US" or classes.ndim != 1:
        raise DataError(f"{where}: classes", "must be strings (K,)", got=f"{classes.dtype} {classes.shape}")
    return tuple(str(name) for name in (np.char.decode(classes, "utf-8") if classes.dtype.kind == "S" else classes))
