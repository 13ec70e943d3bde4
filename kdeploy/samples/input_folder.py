"""Real inputs for a model that no recipe knows, from a folder: float32 (inputs, *shape), each with its file's name.

    images (.png, .jpg, ...)   resized to the model's height and width; pixels / 255
    sounds (.wav, .flac)       as `sounds` reads them; as long as the model's input
    arrays (.npy, .npz)        one input, or a row an input; uint8 / 255

One kind a folder, from the folders inside it as well. Further preprocessing is the model's own matter: give arrays of
what it reads. Of more files than are asked for, those are taken that are spread over all evenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.samples.media_folder import encoded
from kdeploy.samples.numpy_file import read_archive, read_array
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import check_finite
from kdeploy.samples.sounds import Sounds

LIMIT_BYTES = 2 << 30
ARRAYS = (".npy", ".npz")

Floats = NDArray[np.float32]


class NamedInputs(NamedTuple):
    """Inputs, and the name of each: a path in the folder, and the row where a file has several."""

    inputs: Floats
    names: tuple[str, ...]


def read_folder(folder: Path, shape: Sequence[int], most: int) -> NamedInputs:
    """At most `most` real inputs from a folder, float32 (inputs, *shape), with their names.

    Raises: DataError when there are none, of several kinds, or of another shape; what the readers raise.
    """
    kinds = {"images": Pictures.suffixes, "sounds": Sounds.suffixes, "arrays": ARRAYS}
    files = {kind: _files(folder, suffixes) for kind, suffixes in kinds.items()}
    [*present] = (kind for kind, some in files.items() if some)
    if len(present) != 1:
        must = "must be a folder with files of one kind: images, sounds, .npy or .npz"
        raise DataError(str(folder), must, got=" and ".join(present) or "none")
    read = {"images": _images, "sounds": _sounds, "arrays": _arrays}[present[0]]
    inputs, names = read(folder, files[present[0]], tuple(shape), most)
    check_finite(inputs, str(folder))
    return NamedInputs(inputs, names)


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    files = (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in suffixes and file.is_file())
    return [file for file in files if not any(step.startswith(".") for step in file.relative_to(folder).parts)]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def _named(folder: Path, files: Sequence[Path]) -> tuple[str, ...]:
    return tuple(file.relative_to(folder).as_posix() for file in files)


def _images(folder: Path, files: list[Path], shape: tuple[int, ...], most: int) -> NamedInputs:
    """The images of a folder, channels first, or last where the model's shape says so."""
    last = len(shape) == 3 and shape[0] not in (1, 3) and shape[2] in (1, 3)
    channels, *size = (shape[2], *shape[:2]) if last else shape
    if len(size) != 2 or channels not in (1, 3):
        raise _misfit(folder, shape, "images")
    sample = [files[row] for row in _spread(len(files), most)]
    decoder = Pictures((size[0], size[1]))
    pixels = decoder.decode(encoded(sample), len(sample), room=Room(limit=LIMIT_BYTES), where=str(folder)).array
    if pixels.shape[1] != channels:
        raise _misfit(folder, shape, f"images of {pixels.shape[1]} channels")
    plain = pixels.astype(np.float32) / np.float32(255)
    return NamedInputs(np.ascontiguousarray(plain.transpose(0, 2, 3, 1)) if last else plain, _named(folder, sample))


def _sounds(folder: Path, files: list[Path], shape: tuple[int, ...], most: int) -> NamedInputs:
    sample = [files[row] for row in _spread(len(files), most)]
    heard = Sounds().decode(encoded(sample), len(sample), room=Room(limit=LIMIT_BYTES), where=str(folder)).array
    if heard.shape[1] != math.prod(shape):
        raise _misfit(folder, shape, f"sounds of {heard.shape[1]} samples")
    return NamedInputs(heard.reshape(-1, *shape), _named(folder, sample))


def _arrays(folder: Path, files: list[Path], shape: tuple[int, ...], most: int) -> NamedInputs:
    rows: list[Floats] = []
    names: list[str] = []
    for file, name in zip(files, _named(folder, files), strict=True):
        found = _rows(file, shape)
        rows += list(found)
        names += [name] if len(found) == 1 else [f"{name}[{row}]" for row in range(len(found))]
    chosen = _spread(len(rows), most)
    return NamedInputs(np.stack([rows[row] for row in chosen]), tuple(names[row] for row in chosen))


def _rows(file: Path, shape: tuple[int, ...]) -> Floats:
    """The inputs in one file, float32 (rows, *shape)."""
    array = _array(file)
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape or not len(array) or not (array.dtype.kind == "f" or array.dtype == np.uint8):
        raise _misfit(file, shape, f"{array.dtype} {array.shape}")
    values = array.astype(np.float32)
    return values / np.float32(255) if array.dtype == np.uint8 else values


def _array(file: Path) -> NDArray[np.generic]:
    if file.suffix.lower() == ".npy":
        return read_array(file)
    arrays = read_archive(file, Room(limit=LIMIT_BYTES))
    name = "x" if "x" in arrays else next(iter(arrays), None)
    if name is None or (name != "x" and len(arrays) > 1):
        raise DataError(str(file), "must have one array, or one called x", got=", ".join(arrays) or "none")
    return arrays[name]


def _misfit(where: Path, shape: tuple[int, ...], got: str) -> DataError:
    must = f"must hold inputs of the shape {shape}, which the model reads"
    advice = "Give arrays of that shape: .npy or .npz, float32 as the model reads it, or uint8."
    return DataError(str(where), must, got=got, advice=advice)
