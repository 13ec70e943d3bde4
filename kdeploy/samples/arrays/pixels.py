"""Inputs in any form -> canonical ones: uint8 (N, channels, H, W) with 1 or 3 channels, or float32 (N, ...).

    uint8, or integers from 0 to 255    pixels, where there are 3 or 4 axes
    booleans                            pixels 0 and 255, where there are 3 or 4 axes
    other integers                      numbers, as float32 holds them exactly
    floating point                      numbers; (N, H, W, channels) with channels first
    (N,)                                one number a sample

With 4 axes an axis of 1, 3 or 4 is that of the channels: the second (NCHW) or the last (NHWC); where both could be, or
integers have neither, that is asked about, and `layout` answers: `NHW`, `NHWC`, `NCHW`, or `numbers` for what is kept
as it is. A fourth channel that is 255 everywhere says nothing and is left out; otherwise four channels are numbers.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.records.samples import InputKind
from kdeploy.samples.room import Room

Layout = Literal["NHW", "NHWC", "NCHW", "numbers"]
_AXES = {"NHW": 3, "NHWC": 4, "NCHW": 4}
_CHANNELS = (1, 3, 4)
_EXACT = 2**24  # up to which float32 holds every integer
_MUST = "must be pixels (N, H, W), (N, H, W, channels) or (N, channels, H, W), or numbers (N, ...)"


class Pixels(NamedTuple):
    """An input with one meaning: its samples with their axes in order, their kind, and what was assumed.

    They are made canonical only as they are taken, so that a mapped file is never read whole into memory.
    """

    array: NDArray[Any]
    kind: InputKind
    assumed: tuple[str, ...] = ()

    def taken(self, rows: NDArray[np.int64], room: Room) -> NDArray[Any]:
        """Canonical samples at some rows."""
        out = room.taken(self.array, rows, np.uint8 if self.kind == "image" else np.float32, "data")
        if self.kind == "image" and self.array.dtype.kind == "b":
            np.multiply(out, np.uint8(255), out=out)
        return out


def read(array: NDArray[Any], where: str, layout: Layout | None = None) -> Pixels:
    """The canonical samples in an array; float32 that is not finite is the caller's to refuse.

    Args:
        where: the place that errors and assumptions name, such as `data.npz: x`.
        layout: the order of its axes where the recipe says it.
    Raises: DataError when it has more than one reading, or none.
    """
    name = where.rpartition(": ")[2]
    if array.dtype.kind not in "biuf" or array.ndim < 1:
        advice = "Text, dates and complex numbers are not read yet: give numbers." if array.ndim else "Give rows."
        raise DataError(where, _MUST, got=_form(array), advice=advice)
    if layout in _AXES and array.ndim != _AXES[layout]:
        must = f"must have {_AXES[layout]} axes for data.layout {layout}"
        raise DataError(where, must, got=_form(array), advice="Leave data.layout out.")
    if layout == "numbers" or array.ndim < 3:
        return _numbers(array, where, name, asked=layout is not None)
    if array.dtype.kind == "f":
        return _float_pixels(array, where, name, layout)
    return _whole_pixels(array, where, name, layout)


def _numbers(array: NDArray[Any], where: str, name: str, *, asked: bool) -> Pixels:
    """The array as float32, its axes as they are."""
    if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > _EXACT:
        got = f"{_form(array)} from {array.min()} to {array.max()}"
        advice = "Identifiers of text are not read yet: give embeddings, or smaller numbers."
        raise DataError(where, f"must have integers of at most {_EXACT}, which float32 holds", got=got, advice=advice)
    said = () if asked or array.dtype.kind == "f" else (f"{name} {_form(array)} is read as numbers, not as pixels",)
    if array.ndim == 1:
        array, said = array[:, None], (f"{name} {array.shape} is read as one number a sample",)
    return Pixels(array, "array", said)


def _float_pixels(array: NDArray[Any], where: str, name: str, layout: Layout | None) -> Pixels:
    found = layout or _order(array, where, pixels=False)
    plain = _numbers(array, where, name, asked=True)
    if found == "NHWC":
        said = () if layout else (f"{name} {array.shape} is read with its channels last (NHWC)",)
        return plain._replace(array=plain.array.transpose(0, 3, 1, 2), assumed=said)
    return plain._replace(array=plain.array[:, None]) if found == "NHW" else plain


def _whole_pixels(array: NDArray[Any], where: str, name: str, layout: Layout | None) -> Pixels:
    found = layout or _order(array, where, pixels=True)
    if array.dtype.kind in "iu" and array.size and not 0 <= int(array.min()) <= int(array.max()) <= 255:
        line = f"{name} {array.dtype} from {array.min()} to {array.max()} is read as numbers, not as pixels"
        return _numbers(_channels_first(array, found), where, name, asked=True)._replace(assumed=(line,))
    pixels = _channels_first(array, found)
    said: tuple[str, ...] = ()
    if array.dtype.kind == "b":
        said = (f"{name} is read as pixels 0 and 255",)
    elif array.dtype != np.uint8:
        said = (f"{name} {array.dtype} from 0 to 255 is read as pixels",)
    return _of_channels(pixels, where, name, said, asked=layout is not None)


def _of_channels(pixels: NDArray[Any], where: str, name: str, said: tuple[str, ...], *, asked: bool) -> Pixels:
    """Pixels (N, channels, H, W) as an image, or as numbers where they have other channels than an image."""
    if pixels.shape[1] == 4 and pixels.dtype.kind != "b" and int(pixels[:, 3].min(initial=255)) == 255:
        pixels, said = pixels[:, :3], (*said, f"the fourth channel of {name} is 255 everywhere and is left out")
    if pixels.shape[1] in (1, 3):
        return Pixels(pixels, "image", said)
    if not asked:
        advice = "Set data.layout to NHWC or NCHW to read them as numbers, or save the first three channels."
        must = "must say whether its fourth channel is one to learn from, or transparency"
        raise DataError(where, must, got=_form(pixels), advice=advice)
    line = f"the {pixels.shape[1]} channels of {name} are read as numbers"
    return _numbers(pixels, where, name, asked=True)._replace(assumed=(*said, line))


def _channels_first(array: NDArray[Any], layout: Layout | None) -> NDArray[Any]:
    if layout == "NHW":
        return array[:, None]
    return array.transpose(0, 3, 1, 2) if layout == "NHWC" else array


def _order(array: NDArray[Any], where: str, *, pixels: bool) -> Layout | None:
    """The order of the axes, where the shape says it; None for numbers that are no pixels."""
    if array.ndim == 3 and pixels:
        return "NHW"
    first, last = (array.ndim == 4 and array.shape[axis] in _CHANNELS for axis in (1, 3))
    sides = array.shape[1:3] if last else array.shape[2:]
    if not pixels and (array.ndim != 4 or min(sides) == 1):  # such as features behind a pooling, (N, 512, 1, 1)
        return None
    if first and last:
        got, advice = _form(array), "Set data.layout to NCHW or NHWC."
        raise DataError(where, "must say whether its channels are the second axis or the last", got=got, advice=advice)
    if pixels and not (first or last):
        advice = "Set data.layout to NHW, NHWC or NCHW, or to numbers to keep it as it is."
        raise DataError(
            where, "must say which of its axes are height, width and channels", got=_form(array), advice=advice
        )
    return "NHWC" if last else "NCHW" if first else None


def _form(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"
