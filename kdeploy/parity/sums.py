"""Sums as the plainest runtime makes them: in float32, one term after the other.

    s_1 = t_1,  s_k = fl(s_k-1 + t_k)        off by at most n u times the sum of |t|, u = 2^-24

(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2). NumPy adds pairs of pairs, which is off
by log2(n) u, so that the noise of float32 looks smaller than that of any runtime: over 12,100 equal terms, by a
thousand times. How long a sum is the graph says; what it loses, the very numbers do, so it is added up here.

The operators that sum: ReduceMean, ReduceSum, GlobalAveragePool, AveragePool, MatMul, Gemm, Conv.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kdeploy.parity.convolution import Geometry, convolved

MOST_TERMS = 50_000_000  # of a product: beyond that BLAS sums it, which adds some blocks one by one

Attributes = Mapping[str, Any]
Array = np.ndarray[Any, Any]
Operator = Callable[[Attributes, Sequence[Array | None]], Array | None]  # None: the evaluator's own is taken


def added(terms: np.ndarray) -> np.ndarray:
    """The sums over the last axis of (..., terms), in the type of the terms."""
    sums: np.ndarray = np.add.accumulate(terms, axis=-1, dtype=terms.dtype)[..., -1] if terms.size else terms.sum(-1)
    return sums


def multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product (..., rows, columns) of matrices (..., rows, terms) and (..., terms, columns)."""
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if np.prod(shape, dtype=float) * a.shape[-1] > MOST_TERMS:
        blocks: np.ndarray = a @ b
        return blocks
    total: np.ndarray = np.zeros(shape, np.result_type(a, b))
    for term in range(a.shape[-1]):
        total += a[..., :, term, None] * b[..., None, term, :]
    return total


def _reduced(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The sum over some axes, all of them where none are named."""
    data, given = inputs[0], inputs[1] if len(inputs) > 1 else attributes.get("axes")
    if data is None or ((given is None or not len(given)) and attributes.get("noop_with_empty_axes")):
        return None
    axes = sorted(int(axis) % data.ndim for axis in given) if given is not None and len(given) else range(data.ndim)
    kept = [length for axis, length in enumerate(data.shape) if axis not in axes]
    sums = added(np.moveaxis(data, [*axes], range(-len(axes), 0)).reshape(*kept, -1))
    return np.expand_dims(sums, tuple(axes)) if attributes.get("keepdims", 1) else sums


def _mean(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    sums = _reduced(attributes, inputs)
    if sums is None or inputs[0] is None or not sums.size:
        return None
    return np.asarray(sums / (inputs[0].size // sums.size), sums.dtype)


def _global_average(_attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    [data] = inputs
    return None if data is None else _mean({"axes": range(2, data.ndim)}, [data])


def _average(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The average of each window, where its pads are given and no window reaches beyond them."""
    [data] = inputs
    if data is None or attributes.get("ceil_mode"):
        return None
    geometry = Geometry.of(attributes, attributes["kernel_shape"], data.shape[2:])
    sums, counts = (added(_flat(geometry, array)) for array in (data, np.ones_like(data[:1, :1])))
    if attributes.get("count_include_pad"):
        counts = np.full_like(counts, np.prod(geometry.kernel))
    return np.asarray(sums / counts)


def _largest(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The largest of each window: no sum, but the evaluator looks at one window after the other in Python."""
    [data] = inputs
    if data is None or data.dtype.kind != "f" or attributes.get("ceil_mode"):
        return None
    geometry = Geometry.of(attributes, attributes["kernel_shape"], data.shape[2:])
    largest: np.ndarray = geometry.windows(data, -np.inf).max(axis=tuple(range(data.ndim, 2 * data.ndim - 2)))
    return largest


def _flat(geometry: Geometry, data: np.ndarray) -> np.ndarray:
    """The windows (batch, channels, *out, places)."""
    windows = geometry.windows(data)
    return windows.reshape(*windows.shape[: data.ndim], -1)


def _matmul(_attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    a, b = inputs
    return None if a is None or b is None or min(a.ndim, b.ndim) < 2 else multiplied(a, b)


def _gemm(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    a, b, c = (*inputs, None)[:3]
    if a is None or b is None:
        return None
    a, b = (a.T if attributes.get("transA") else a), (b.T if attributes.get("transB") else b)
    product = multiplied(a, b) * attributes.get("alpha", 1.0)
    return np.asarray(product if c is None else product + c * attributes.get("beta", 1.0), a.dtype)


def convolution(product: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Operator:
    """Conv with some product of matrices."""

    def computed(attributes: Attributes, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
        x, weight, bias = (*inputs, None)[:3]
        if x is None or weight is None or x.dtype != weight.dtype:
            return None
        geometry = Geometry.of(attributes, weight.shape[2:], x.shape[2:])
        maps = convolved(x, weight, geometry, attributes.get("group", 1), product)
        return maps if bias is None else maps + bias.reshape(-1, *[1] * (x.ndim - 2))

    return computed


EXACT: Mapping[str, Operator] = {"AveragePool": _average, "Conv": convolution(np.matmul), "MaxPool": _largest}
ONE_BY_ONE: Mapping[str, Operator] = {
    "AveragePool": _average,
    "Conv": convolution(multiplied),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "MatMul": _matmul,
    "MaxPool": _largest,
    "ReduceMean": _mean,
    "ReduceSum": _reduced,
}
