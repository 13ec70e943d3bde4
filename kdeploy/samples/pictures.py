"""Encoded images -> canonical ones: uint8 (N, channels, height, width).

The first image says the mode, L or RGB, and the size; all others must have the same, or be resized to the size that is
asked for (Pillow's bilinear filter, which smooths when it shrinks).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, ResourceError
from kdeploy.records.samples import InputKind

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_CHANNELS = {"L": 1, "RGB": 3}
_EXIF_ORIENTATION = 0x0112
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)  # as Pillow reports it


@dataclass(frozen=True)
class Pictures:
    """A decoder of images; `size` is (height, width), or None where all must have one size."""

    size: tuple[int, int] | None = None
    column: ClassVar[str] = "image"
    input_name: ClassVar[str] = "image"
    kind: ClassVar[InputKind] = "image"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")

    def decode(self, encoded: Iterable[tuple[str, bytes]], count: int, *, limit_bytes: int, where: str) -> NDArray[Any]:
        """Decoded images, uint8 (count, channels, height, width), of `count` pairs of a place, for errors, and bytes.

        Raises: DataError with the place of the first that cannot be decoded or is not like the others; ResourceError
            when they would take more than the limit.
        """
        from PIL.Image import DecompressionBombWarning

        images: NDArray[np.uint8] | None = None
        expected = ("", (0, 0))
        with warnings.catch_warnings():
            warnings.simplefilter("error", DecompressionBombWarning)
            for position, (place, data) in enumerate(encoded):
                picture = _resized(place, _picture(place, data), self.size)
                if images is None:
                    expected = (picture.mode, picture.size)
                    images = _room(picture, count, limit_bytes, where, place)
                _must_be_like(expected, picture, place)
                pixels = _pixels(place, picture)
                images[position] = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
        if images is None:
            raise DataError(where, "must have at least 1 sample", got="0")
        return images


def _picture(place: str, data: bytes) -> Image:
    """The image with its header read and, usually, its pixels not yet."""
    from PIL import Image as pillow

    try:
        return _upright(pillow.open(io.BytesIO(data), formats=_FORMATS))
    except (*_DAMAGE, pillow.DecompressionBombError, pillow.DecompressionBombWarning) as exc:
        raise _undecodable(place, exc) from exc


def _upright(picture: Image) -> Image:
    """The image turned as its EXIF orientation says, as Hugging Face `datasets` does."""
    from PIL import ImageOps

    if "exif" in picture.info and _EXIF_ORIENTATION in picture.getexif():
        return ImageOps.exif_transpose(picture)
    return picture


def _resized(place: str, picture: Image, size: tuple[int, int] | None) -> Image:
    from PIL.Image import Resampling

    if size is None or picture.size == size[::-1]:
        return picture
    try:
        return picture.resize(size[::-1], Resampling.BILINEAR)
    except _DAMAGE as exc:
        raise _undecodable(place, exc) from exc


def _must_be_like(expected: tuple[str, tuple[int, int]], picture: Image, place: str) -> None:
    if (picture.mode, picture.size) != expected:
        must = f"must be an image like the first, {_likeness(*expected)}"
        other_size = picture.mode == expected[0]
        advice = "Set data.size to [height, width] to resize all." if other_size else "Convert all images to one mode."
        raise DataError(place, must, got=_likeness(picture.mode, picture.size), advice=advice)


def _pixels(place: str, picture: Image) -> NDArray[np.uint8]:
    try:
        return np.asarray(picture)
    except _DAMAGE as exc:
        raise _undecodable(place, exc) from exc


def _undecodable(place: str, exc: BaseException) -> DataError:
    # Pillow's sentence on unknown bytes names the memory address of the buffer
    reason = str(exc).split("<_io.")[0].strip()
    return DataError(place, "must be an image that can be decoded", got=reason, advice="Remove or repair it.")


def _room(picture: Image, count: int, limit_bytes: int, where: str, place: str) -> NDArray[np.uint8]:
    if picture.mode not in _CHANNELS:
        advice = "Convert the images first."
        raise DataError(place, "must be an image of mode L or RGB", got=f"mode {picture.mode}", advice=advice)
    shape = (count, _CHANNELS[picture.mode], picture.height, picture.width)
    size_bytes = int(np.prod(shape, dtype=object))
    if size_bytes > limit_bytes:
        must, advice = (
            f"must decode to at most {limit_bytes} bytes",
            "Take fewer samples with split, or smaller images.",
        )
        raise ResourceError(where, must, got=str(size_bytes), advice=advice)
    return np.empty(shape, np.uint8)


def _likeness(mode: str, size: tuple[int, int]) -> str:
    return f"{mode} {size[0]}x{size[1]}"
