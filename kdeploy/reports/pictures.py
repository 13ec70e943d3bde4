"""A sample as a small picture inside of a page: uint8 (channels, height, width) -> data:image/...;base64,...

Never more than 96 pixels a side, in the smaller of PNG and JPEG: a few kilobytes each. The page is the one place that
the pictures of a data set get to: no record has them, and nothing that goes into a bundle.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet

LONGEST_SIDE = 96
_MODES = {1: "L", 3: "RGB"}


Pixels = Callable[[int], NDArray[np.uint8]]  # a sample's index, to what `data_uri` takes


def pixels(samples: SampleSet, name: str) -> Pixels | None:
    """What gives the pictures of an input; None for one that is no image."""
    array = samples.inputs[name]
    return (lambda index: array[np.array([index])][0]) if samples.kinds[name] == "image" else None


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """The picture of one sample, (1 or 3 channels, height, width), as the value of `src`."""
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1).squeeze()), _MODES[len(pixels)])
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    kind, content = min(((kind, _encoded(picture, kind)) for kind in ("png", "jpeg")), key=lambda found: len(found[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(picture: Image.Image, kind: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, optimize=True, **({"quality": 85} if kind == "jpeg" else {}))
    return content.getvalue()
