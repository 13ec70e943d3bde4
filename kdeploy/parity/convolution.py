"""Convolution as products of matrices: Conv(X, W, B) = W (windows of X) + B, some windows at a time.

ONNX's reference evaluator gathers all windows by index, which takes seven times as long and, of a photograph in
float64, a gigabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

COLUMNS_BYTES = 2**25  # of windows at once

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Geometry(NamedTuple):
    """Where the windows of a convolution or a pool lie: a length for each spatial axis, two of `pads`."""

    kernel: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]
    pads: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, attributes: Mapping[str, Any], kernel: Sequence[int], shape: Sequence[int]) -> Geometry:
        """That of a node.

        Args:
            shape: of the input's spatial axes.
        """
        ones = [1] * len(kernel)
        strides, dilations = attributes.get("strides") or ones, attributes.get("dilations") or ones
        given = attributes.get("pads") or [0] * 2 * len(kernel)
        pads = list(zip(given[: len(kernel)], given[len(kernel) :], strict=True))
        same = _text(attributes.get("auto_pad")).removeprefix("SAME_")
        if same in {"UPPER", "LOWER"}:
            lengths = zip(shape, kernel, strides, dilations, strict=True)
            pads = [_same(*length, before=same == "LOWER") for length in lengths]
        return cls(kernel, strides, dilations, pads)

    def windows(self, x: np.ndarray, padding: float = 0.0) -> np.ndarray:
        """A view (batch, channels, *out, *kernel) of the padded input (batch, channels, *shape)."""
        padded = np.pad(x, [(0, 0), (0, 0), *self.pads], constant_values=padding)
        axes = tuple(range(2, x.ndim))
        reach = [(size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True)]
        view = sliding_window_view(padded, reach, axis=axes)
        every = (slice(None), slice(None), *(slice(None, None, step) for step in (*self.strides, *self.dilations)))
        return view[every]


def convolved(
    x: np.ndarray, weight: np.ndarray, geometry: Geometry, group: int = 1, product: Product = np.matmul
) -> np.ndarray:
    """The convolution (batch, maps, *out) of an input (batch, channels, *shape), without a bias.

    Args:
        weight: (maps, channels / group, *kernel).
        product: (group, maps / group, terms) and (group, terms, places) to (group, maps / group, places).
    """
    view = geometry.windows(x)
    spatial = x.ndim - 2
    out, terms = view.shape[2 : 2 + spatial], weight[0].size
    rows = weight.reshape(group, -1, terms)
    answer = np.empty((len(x), len(weight), *out), x.dtype)
    step = max(1, COLUMNS_BYTES // max(1, group * terms * int(np.prod(out[1:])) * x.itemsize))
    order = (0, *range(1 + spatial, 1 + 2 * spatial), *range(1, 1 + spatial))  # channels, kernel, out
    for number, sample in enumerate(view):
        for at in range(0, out[0], step):
            part = sample[:, at : at + step]
            columns = part.transpose(order).reshape(group, terms, -1)
            answer[number, :, at : at + step] = product(rows, columns).reshape(
                len(weight), *part.shape[1 : 1 + spatial]
            )
    return answer


def _same(length: int, kernel: int, stride: int, dilation: int, *, before: bool) -> tuple[int, int]:
    """The pads that give an output of the length / stride, rounded up; the odd one before or behind."""
    reach = (kernel - 1) * dilation + 1
    total = max(0, (-(-length // stride) - 1) * stride + reach - length)
    less, more = total // 2, total - total // 2
    return (more, less) if before else (less, more)


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
