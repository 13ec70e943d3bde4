"""Arrays in a NumPy archive: `FILE.npz`.

    x, or any names      inputs (N, ...), one or several
    y                    integer labels (N,), -1 for none; left out where nothing is labelled
    x_test, ..., y_test  the source's own test rows (each input's name with `_test`)
    part                 strings (N,): labelled, unlabelled, held_out or test; then nothing is divided
    classes              strings: the class names, else the numbers up to the largest label

uint8 (N,H,W), (N,H,W,C) and (N,C,H,W) with 1 or 3 channels are images (channels first where both readings fit);
floating point is an array, kept as float32. The file is not trusted: pickled objects are refused before they are
read, and the size of each member is taken from its header and checked before anything is allocated.
"""

from __future__ import annotations

import hashlib
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from kdeploy.errors import DataError, IntegrityError, ResourceError
from kdeploy.records.samples import InputKind
from kdeploy.samples.contents import Contents
from kdeploy.samples.sampleset import check_finite, check_labels, numbered_classes
from kdeploy.samples.split import PARTS, Counts, Rows, any_label

Array = NDArray[Any]

_RESERVED = ("y", "part", "classes")
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
    """One `.npz` file."""

    file: Path

    @property
    def where(self) -> str:
        return str(self.file)

    def content_hash(self) -> str:
        _check_there(self.file)
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        return {"numpy": self.file.name}

    def contents(self, *, limit_bytes: int) -> Contents:
        arrays = read_archive(self.file, limit_bytes=limit_bytes)
        where = self.where
        names = _input_names(arrays, where)
        labels, first_test = _labels(arrays, where)
        class_names = _class_names(arrays.get("classes"), labels, where)
        _check_range(labels, first_test, len(class_names), where)
        canonical = {name: _canonical(_rows_of(arrays, name, where), f"{where}: {name}") for name in names}
        _check_lengths(canonical, labels, where)
        part = arrays.get("part")
        return Contents(
            labels=labels,
            class_names=class_names,
            decode=lambda rows: {name: (array[rows], kind) for name, (array, kind) in canonical.items()},
            where=where,
            first_test=first_test,
            given=None if part is None else partial(_given_parts, part, len(labels), first_test, where),
        )


def read_archive(file: Path, *, limit_bytes: int) -> dict[str, Array]:
    """Every array of an `.npz` by its name, of any shape; none may hold objects.

    Raises: IntegrityError for an array of objects, which would unpickle; ResourceError above the limit; DataError for
        a bomb or a corrupt file.
    """
    _check_there(file)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, file, limit_bytes)
            return {member.filename.removesuffix(".npy"): _member(archive, member, file) for member in archive.filelist}
    except _UNREADABLE as exc:
        raise DataError(str(file), "must be a readable .npz file", got=_reason(exc)) from exc


def read_array(file: Path, *, limit_bytes: int) -> Array:
    """The array of an `.npy`, of any shape, read with the care of `read_archive`.

    Raises: what `read_archive` raises.
    """
    size_bytes = file.stat().st_size
    if size_bytes > limit_bytes:
        raise ResourceError(str(file), f"must have at most {limit_bytes} bytes", got=str(size_bytes))
    try:
        with file.open("rb") as stream:
            _check_header(*_header(stream), size_bytes - stream.tell(), str(file))
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


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> Array:
    where = f"{file}: {member.filename}"
    with archive.open(member) as stream:
        _check_header(*_header(stream), member.file_size - stream.tell(), where)
    with archive.open(member) as stream:
        array: Array = npy_format.read_array(stream, allow_pickle=False)
    return array


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any], held_bytes: int, where: str) -> None:
    if dtype.hasobject:
        advice = "Save it again as plain numbers or strings."
        raise IntegrityError(where, "must not hold Python objects, which run code when read", advice=advice)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held_bytes:
        got = f"shape {shape} of {dtype} over {held_bytes} bytes"
        raise DataError(where, "must hold as many bytes as its header says", got=got)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy_format.read_magic(stream)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    try:
        shape, _, dtype = read(stream)
    except MemoryError as exc:  # a header is short, so this is the parser's depth and not the machine's memory
        raise ValueError("its header is nested too deeply") from exc
    return shape, dtype


def _input_names(arrays: Mapping[str, Array], where: str) -> list[str]:
    own_test = {f"{name}_test" for name in arrays if name not in ("part", "classes")}
    names = [name for name in arrays if name not in (*_RESERVED, "y_test") and name not in own_test]
    if not names:
        raise DataError(where, "must have an input, such as x", got=", ".join(arrays) or "no arrays")
    return names


def _labels(arrays: Mapping[str, Array], where: str) -> tuple[NDArray[np.int64], int | None]:
    """Labels of all rows, int64 (N,), the test rows last, and the row at which those begin."""
    inputs = _input_names(arrays, where)
    labels = _known(arrays, "y", inputs[0], where)
    tests = [f"{name}_test" for name in (*inputs, "y") if f"{name}_test" in arrays]
    if not tests:
        return labels, None
    if "y" in arrays and "y_test" not in arrays:
        raise DataError(where, "must have the labels y_test beside its test inputs", got=", ".join(arrays))
    if tests == ["y_test"]:
        raise DataError(where, f"must have the test input {inputs[0]}_test beside y_test", got=", ".join(arrays))
    return np.concatenate([labels, _known(arrays, "y_test", tests[0], where)]), len(labels)


def _known(arrays: Mapping[str, Array], name: str, inputs: str, where: str) -> NDArray[np.int64]:
    """The labels under a name, int64 (N,); -1 for each of the inputs where there are none."""
    if name in arrays:
        return _integers(arrays[name], f"{where}: {name}")
    return np.full(len(np.atleast_1d(arrays[inputs])), -1, np.int64)


def _integers(labels: Array, where: str) -> NDArray[np.int64]:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        got = f"{labels.dtype} {labels.shape}"
        raise DataError(where, "must be integers (N,)", got=got, advice="Give -1 to unlabelled samples.")
    return labels.astype(np.int64)


def _check_range(labels: NDArray[np.int64], first_test: int | None, classes: int, where: str) -> None:
    check_labels(labels[:first_test], least=-1, classes=classes, where=f"{where}: y")
    if first_test is not None:
        check_labels(
            labels[first_test:], least=0 if any_label(labels) else -1, classes=classes, where=f"{where}: y_test"
        )


def _rows_of(arrays: Mapping[str, Array], name: str, where: str) -> Array:
    """The rows of one input, its test rows after the others."""
    if not any(other.endswith("_test") for other in arrays if other.removesuffix("_test") in arrays):
        return arrays[name]
    if f"{name}_test" not in arrays:
        raise DataError(where, f"must have the test input {name}_test beside the others", got=", ".join(arrays))
    train, test = arrays[name], arrays[f"{name}_test"]
    if train.dtype != test.dtype or train.shape[1:] != test.shape[1:]:
        got = f"{train.dtype} {train.shape} and {test.dtype} {test.shape}"
        raise DataError(where, f"must have {name} and {name}_test of one shape and dtype", got=got)
    return np.concatenate([train, test])


def _canonical(array: Array, where: str) -> tuple[Array, InputKind]:
    if array.dtype.kind == "f" and array.ndim >= 2:
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused
            floats = np.ascontiguousarray(array, dtype=np.float32)
        check_finite(floats, where)
        return floats, "array"
    if array.dtype == np.uint8 and array.ndim == 3:
        return array[:, None], "image"
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] in (1, 3):
        return array, "image"
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)), "image"
    must = "must be uint8 images (N,H,W), (N,H,W,C) or (N,C,H,W) with 1 or 3 channels, or floating point (N, ...)"
    raise DataError(where, must, got=f"{array.dtype} {array.shape}", advice="Convert it first.")


def _check_lengths(canonical: Mapping[str, tuple[Array, InputKind]], labels: Array, where: str) -> None:
    for name, (array, _) in canonical.items():
        if len(array) != len(labels):
            got = f"{len(array)} samples, {len(labels)} labels"
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


def _class_names(classes: Array | None, labels: Array, where: str) -> tuple[str, ...]:
    if classes is None:
        return numbered_classes(labels, f"{where}: y")
    if classes.dtype.kind != "U" or classes.ndim != 1:
        raise DataError(f"{where}: classes", "must be strings (K,)", got=f"{classes.dtype} {classes.shape}")
    return tuple(str(name) for name in classes)
