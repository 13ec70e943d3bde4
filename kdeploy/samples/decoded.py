"""What a decoder gives: canonical samples, which of those it was given are not among them, and what it assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.records.samples import InputKind
from kdeploy.samples.windows import Canonical

NONE: NDArray[np.int64] = np.empty(0, np.int64)


class DecodedArray(NamedTuple):
    """Samples of one input, (N, ...); `left_out` are positions among those that were given, sorted int64."""

    array: NDArray[Any]
    left_out: NDArray[np.int64] = NONE
    assumed: tuple[str, ...] = ()


class Decoded(NamedTuple):
    """Samples of every input, each with its kind; else as above."""

    inputs: Mapping[str, tuple[Canonical, InputKind]]
    left_out: NDArray[np.int64] = NONE
    assumed: tuple[str, ...] = ()
