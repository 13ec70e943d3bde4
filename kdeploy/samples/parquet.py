"""Images in Hugging Face's parquet convention: a folder of `SPLIT-*.parquet` files.

Column `image` is struct<bytes, path>, column `label` an integer (-1: no label), and the class names stand in the schema
metadata under the key `huggingface`. The test part comes from the split `test`, or `validation` where there is no such
split; everything else from `train`. Only the rows that some part takes are decoded. The first image says the mode,
L or RGB, and the size; all others must have the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, ResourceError
from kdeploy.samples.contents import Contents, Inputs
from kdeploy.samples.sampleset import check_labels, numbered_classes
from kdeploy.samples.split import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_CHANNELS = {"L": 1, "RGB": 3}
_EXIF_ORIENTATION = 0x0112
_BATCH_ROWS = 2_048
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)  # as Pillow reports it


@dataclass(frozen=True)
class ParquetFolder:
    """A folder of parquet files, found by their names."""

    folder: Path

    @property
    def where(self) -> str:
        return str(self.folder)

    def content_hash(self) -> str:
        """SHA-256 over name and SHA-256 of each file that is read."""
        digest = hashlib.sha256()
        train, test = self._files()
        for file in (*train, *test):
            with file.open("rb") as stream:
                digest.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        return {"parquet": self.folder.name}

    def contents(self, *, limit_bytes: int) -> Contents:
        train, test = self._files()
        files = [*train, *test]
        labels = [_labels(file) for file in files]
        first_rows = np.cumsum([0, *(len(some) for some in labels)])
        everything = np.concatenate(labels)
        class_names = _class_names(files[0], everything)
        for file, some in zip(files, labels, strict=True):
            check_labels(some, least=0 if file in test else -1, classes=len(class_names), where=str(file))

        def decode(rows: Rows) -> Inputs:
            return {"image": (_decode(files, first_rows, rows, limit_bytes, self.where), "image")}

        first_test = int(first_rows[len(train)]) if test else None
        return Contents(everything, class_names, decode, self.where, first_test)

    def _files(self) -> tuple[list[Path], list[Path]]:
        """The files of the train split, and of the test split, which may be none."""
        found = {split: sorted(self.folder.glob(f"{split}-*.parquet")) for split in ("train", "test", "validation")}
        if not found["train"]:
            names = ", ".join(sorted(path.name for path in self.folder.glob("*"))[:5]) or "nothing"
            advice = "Give a folder of Hugging Face parquet files."
            raise DataError(str(self.folder), "must hold train-*.parquet files", got=names, advice=advice)
        return found["train"], found["test"] or found["validation"]


def _labels(file: Path) -> NDArray[np.int64]:
    """The label column of a file whose columns are the right ones."""
    import pyarrow as pa

    schema = _open(file).schema_arrow
    _check_columns(schema, file)
    column = pa.chunked_array([batch["label"] for batch in _batches(file, "label")], schema.field("label").type)
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise DataError(f"{file}: row {row}", "must have a label, or -1 for none", got="null")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _check_columns(schema: pa.Schema, file: Path) -> None:
    import pyarrow as pa

    names = schema.names
    if "image" not in names or "label" not in names:
        must = "must have the columns image and label"
        raise DataError(str(file), must, got=", ".join(names))
    image, label = schema.field("image").type, schema.field("label").type
    bytes_at = image.get_field_index("bytes") if pa.types.is_struct(image) else -1
    has_bytes = bytes_at >= 0 and image.field(bytes_at).type in (pa.binary(), pa.large_binary())
    if not has_bytes or not pa.types.is_integer(label):
        must = "must have image as struct<bytes, path> and label as an integer"
        raise DataError(str(file), must, got=f"image {image}, label {label}")


def _class_names(file: Path, labels: NDArray[np.int64]) -> tuple[str, ...]:
    """The names in the file's Hugging Face features, else the numbers up to the largest label."""
    stored = (_open(file).schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(stored)["info"]["features"]["label"]["names"]
    except ValueError as exc:
        must = "must have JSON in its metadata key huggingface"
        raise DataError(str(file), must, got=str(exc)) from exc
    except (KeyError, TypeError):
        return numbered_classes(labels, str(file))
    return tuple(str(name) for name in names)


def _open(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as exc:
        raise _unreadable(file, exc) from exc


def _batches(file: Path, column: str) -> Iterator[pa.RecordBatch]:
    """The file piece by piece, so that its size does not matter."""
    import pyarrow as pa

    try:
        yield from _open(file).iter_batches(columns=[column], batch_size=_BATCH_ROWS)
    except (OSError, pa.ArrowException) as exc:
        raise _unreadable(file, exc) from exc


def _unreadable(file: Path, exc: Exception) -> DataError:
    return DataError(str(file), "must be a readable parquet file", got=str(exc).splitlines()[0])


def _decode(
    files: Sequence[Path], first_rows: NDArray[np.int64], rows: Rows, limit_bytes: int, where: str
) -> NDArray[np.uint8]:
    """The images of the global `rows`, uint8 (N, channels, height, width)."""
    from PIL.Image import DecompressionBombWarning

    images: NDArray[np.uint8] | None = None
    expected = ("", (0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DecompressionBombWarning)
        for position, (place, encoded) in enumerate(_encoded(files, first_rows, rows)):
            picture = _picture(place, encoded)
            if images is None:
                expected = (picture.mode, picture.size)
                images = _room(picture, len(rows), limit_bytes, where, place)
            if (picture.mode, picture.size) != expected:
                must = f"must be an image like the first, {_likeness(*expected)}"
                got, advice = _likeness(picture.mode, picture.size), "Convert all images to one mode and size."
                raise DataError(place, must, got=got, advice=advice)
            pixels = _pixels(place, picture)
            images[position] = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
    if images is None:
        raise DataError(where, "must have at least 1 sample", got="0")
    return images


def _encoded(files: Sequence[Path], first_rows: NDArray[np.int64], rows: Rows) -> Iterator[tuple[str, bytes | None]]:
    """The place ("FILE: row N") and the encoded bytes of each of the sorted global `rows`."""
    for file, (first, end) in zip(files, pairwise(first_rows), strict=True):
        wanted = rows[(rows >= first) & (rows < end)] - first
        start = 0
        for batch in _batches(file, "image"):
            encoded = batch["image"].field("bytes")
            for row in wanted[(wanted >= start) & (wanted < start + len(batch))]:
                yield f"{file}: row {row}", encoded[int(row) - start].as_py()
            start += len(batch)


def _picture(place: str, encoded: bytes | None) -> Image:
    """The image with its header read and, usually, its pixels not yet."""
    from PIL import Image as pillow

    if encoded is None:
        raise DataError(place, "must carry the bytes of its image", got="null", advice="Embed the images in the file.")
    try:
        return _upright(pillow.open(io.BytesIO(encoded), formats=_FORMATS))
    except (*_DAMAGE, pillow.DecompressionBombError, pillow.DecompressionBombWarning) as exc:
        raise _undecodable(place, exc) from exc


def _upright(picture: Image) -> Image:
    """The image turned as its EXIF orientation says, as Hugging Face `datasets` does."""
    from PIL import ImageOps

    if "exif" in picture.info and _EXIF_ORIENTATION in picture.getexif():
        return ImageOps.exif_transpose(picture)
    return picture


def _pixels(place: str, picture: Image) -> NDArray[np.uint8]:
    try:
        return np.asarray(picture)
    except _DAMAGE as exc:
        raise _undecodable(place, exc) from exc


def _undecodable(place: str, exc: BaseException) -> DataError:
    # Pillow's sentence on unknown bytes names the memory address of the buffer
    reason = str(exc).split("<_io.")[0].strip()
    return DataError(place, "must be an image that can be decoded", got=reason, advice="Remove or repair the row.")


def _room(picture: Image, count: int, limit_bytes: int, where: str, place: str) -> NDArray[np.uint8]:
    if picture.mode not in _CHANNELS:
        advice = "Convert the images first."
        raise DataError(place, "must be an image of mode L or RGB", got=f"mode {picture.mode}", advice=advice)
    shape = (count, _CHANNELS[picture.mode], picture.height, picture.width)
    size_bytes = int(np.prod(shape, dtype=object))
    if size_bytes > limit_bytes:
        must = f"must decode to at most {limit_bytes} bytes"
        raise ResourceError(
            where, must, got=str(size_bytes), advice="Take fewer samples with split, or smaller images."
        )
    return np.empty(shape, np.uint8)


def _likeness(mode: str, size: tuple[int, int]) -> str:
    return f"{mode} {size[0]}x{size[1]}"
