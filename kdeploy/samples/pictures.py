"""Encoded images -> canonical ones: uint8 (N, channels, height, width).

The first image says the mode, L or RGB, and the size; all others must have the same, or be resized to the size that is
asked for (Pillow's bilinear filter, which smooths when it shrinks). What loses nothing is done unasked and counted:

    EXIF orientation     turned as it says
    1 bit                L, black 0 and white 255
    palette              RGB, the colours of its entries
    alpha 255 all over   without it
    several frames       the first

What loses something is done where `mode` asks for it, and for all images alike:

    grey to RGB          three equal channels
    colour to L          0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)
    CMYK, YCbCr, HSV     RGB by Pillow's formulas, which know no colour profile
    transparency         dropped: the colours underneath are what is seen
    16 bits              the upper 8
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.records.samples import InputKind
from kdeploy.samples.damage import Damage
from kdeploy.samples.decoded import DecodedArray
from kdeploy.samples.room import Room

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["L", "RGB"]

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
_HEIF = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")  # how such a file begins, behind four bytes
_CHANNELS = {"L": 1, "RGB": 3}
_PLAIN = {"1": "L", "P": "RGB"}  # what loses nothing
_OPAQUE = {"RGBA": "RGB", "LA": "L", "PA": "RGB"}
_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N")
_EXIF_ORIENTATION = 0x0112
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)  # as Pillow reports it
_DECODABLE, _PRESENT = "must be an image that can be decoded", "must carry the bytes of its image"


@dataclass(frozen=True)
class Pictures:
    """A decoder of images.

    Args:
        size: (height, width), or None where all must have one size.
        mode: to which all are converted, or None where all must have one.
        skip_bad: leave out what cannot be decoded?
    """

    size: tuple[int, int] | None = None
    mode: Mode | None = None
    skip_bad: bool = False
    input_name: ClassVar[str] = "image"
    kind: ClassVar[InputKind] = "image"
    noun: ClassVar[str] = "images"
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
        *(".jfif", ".avif", ".heic", ".heif"),
    )
    packages: ClassVar[dict[str, tuple[str, str]]] = dict.fromkeys((".heic", ".heif"), ("pillow_heif", "pillow-heif"))

    def decode(
        self, encoded: Iterable[tuple[str, bytes | None]], count: int, *, room: Room, where: str
    ) -> DecodedArray:
        """Decoded images, uint8 (count, channels, height, width), of `count` pairs of a place, for errors, and bytes.

        Raises: DataError with the place of the first that is not like the others, or of all that cannot be decoded;
            ResourceError when they would take more room than there is.
        """
        from PIL.Image import DecompressionBombWarning

        images: NDArray[np.uint8] | None = None
        expected = ("", (0, 0))
        damage, changes, good = Damage(self.noun, self.skip_bad), Counter[str](), 0
        with warnings.catch_warnings():
            warnings.simplefilter("error", DecompressionBombWarning)
            for position, (place, data) in enumerate(encoded):
                try:
                    picture = self._decoded(place, data, changes)
                except DataError as exc:
                    if exc.must not in (_DECODABLE, _PRESENT):
                        raise
                    damage.found(position, exc)
                    continue
                if images is None:
                    expected = (picture.mode, picture.size)
                    shape = (count, _CHANNELS[picture.mode], picture.height, picture.width)
                    images = room.array(shape, np.uint8, where, "Take fewer samples with split, or smaller images.")
                _must_be_like(expected, picture, place)
                pixels = np.asarray(picture)
                images[good] = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
                good += 1
        left_out, said = damage.settled(count, where)
        if images is None:
            raise DataError(where, "must have at least 1 sample", got="0")
        return DecodedArray(images[:good], left_out, (*said, *map(_counted, sorted(changes.items()))))

    def _decoded(self, place: str, data: bytes | None, changes: Counter[str]) -> Image:
        """An image of mode L or RGB, with its pixels read."""
        from PIL.Image import DecompressionBombError, DecompressionBombWarning, Resampling

        if data is None:
            advice = "Embed them in the file, or set data.skip_bad to true to leave it out."
            raise DataError(place, _PRESENT, got="null", advice=advice)
        try:
            picture = _in_mode(place, _opened(data, changes), self.mode, changes)
            if self.size is not None and picture.size != self.size[::-1]:
                return picture.resize(self.size[::-1], Resampling.BILINEAR)
            picture.load()
        except (*_DAMAGE, DecompressionBombError, DecompressionBombWarning) as exc:
            raise _undecodable(place, exc) from exc
        return picture


def _counted(change: tuple[str, int]) -> str:
    what, count = change
    return f"{count} {what}" if count > 1 else f"1 {what.replace('images', 'image', 1)}"


def _opened(data: bytes, changes: Counter[str]) -> Image:
    """The image, turned as its EXIF orientation says, as Hugging Face `datasets` does."""
    from PIL import Image as pillow
    from PIL import ImageOps

    picture: Image = pillow.open(io.BytesIO(data), formats=_formats(data))
    if getattr(picture, "is_animated", False):
        changes["images of several frames read as the first"] += 1
    if "exif" in picture.info and picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        changes["images turned as their EXIF orientation says"] += 1
        return ImageOps.exif_transpose(picture)
    return picture


def _formats(data: bytes) -> tuple[str, ...]:
    """What Pillow may read these bytes as; HEIF where its package is installed."""
    if not data[4:12].startswith(_HEIF):
        return _FORMATS
    try:
        import pillow_heif
    except ImportError:
        return _FORMATS
    pillow_heif.register_heif_opener()
    return (*_FORMATS, "HEIF")


def _in_mode(place: str, picture: Image, mode: Mode | None, changes: Counter[str]) -> Image:
    """The image in the mode that is asked for, or in L or RGB where that loses nothing; what was done is counted."""
    before, see_through = picture.mode, _is_see_through(picture)
    goal = mode or _PLAIN.get(before) or _OPAQUE.get(before) or before
    if goal == before:
        if before not in _CHANNELS:
            raise _unclear(place, before)
        return picture
    if mode is None and (see_through or before not in (*_PLAIN, *_OPAQUE)):
        raise _unclear(place, "transparent" if see_through else before)
    how = {True: " without their transparency"}.get(see_through, "")
    if before in _SIXTEEN:
        picture, how = _upper_eight(picture), ", the upper 8 of their 16 bits"
    elif before == "P":
        picture = picture.convert("RGBA")
    changes[f"images of mode {before} read as {goal}{how}"] += 1
    return picture.convert(goal)


def _is_see_through(picture: Image) -> bool:
    """Has it a pixel that is not opaque?"""
    if picture.mode == "P" and "transparency" not in picture.info:
        return False
    if picture.mode not in ("P", *_OPAQUE):
        return False
    return bool((np.asarray(picture.convert("RGBA").getchannel("A")) < 255).any())


def _upper_eight(picture: Image) -> Image:
    from PIL import Image as pillow

    return pillow.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))


def _unclear(place: str, mode: str) -> DataError:
    advice = {
        "transparent": "Set data.mode to RGB or to L, which drop its transparency.",
        **dict.fromkeys(_SIXTEEN, "Set data.mode to L, which keeps the upper 8 of its 16 bits."),
        **dict.fromkeys(("I", "F"), "Save it with 8 or 16 bits a channel."),
    }.get(mode, "Set data.mode to RGB or to L to convert all images.")
    got = "a pixel that is transparent" if mode == "transparent" else f"mode {mode}"
    return DataError(place, "must be an image of mode L or RGB", got=got, advice=advice)


def _must_be_like(expected: tuple[str, tuple[int, int]], picture: Image, place: str) -> None:
    if (picture.mode, picture.size) != expected:
        must = f"must be an image like the first, {_likeness(*expected)}"
        other_size = picture.mode == expected[0]
        advice = (
            "Set data.size to [height, width] to resize all."
            if other_size
            else "Set data.mode to RGB or to L to convert all."
        )
        raise DataError(place, must, got=_likeness(picture.mode, picture.size), advice=advice)


def _undecodable(place: str, exc: BaseException) -> DataError:
    # Pillow's sentence on unknown bytes names the memory address of the buffer
    reason = str(exc).split("<_io.")[0].strip()
    advice = "Remove or repair it, or set data.skip_bad to true to leave it out."
    return DataError(place, _DECODABLE, got=reason, advice=advice)


def _likeness(mode: str, size: tuple[int, int]) -> str:
    return f"{mode} {size[0]}x{size[1]}"
