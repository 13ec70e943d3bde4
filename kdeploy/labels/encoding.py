"""How a row of labels is stored, by `labels.kind`, and how it is read back as logits z of C classes.

    logits         z
    probabilities  p = softmax(z); read as log p
    topk           the k largest z, their classes, and t = log sum_{j not in top k} exp z_j, always in float32;
                   the rest is read as that mass spread evenly: z_j = t - log(C - k)
    features       z, and behind it the teacher's features, or their principal components (`kdeploy.labels.pca`)

all rounded to the dtype. A probability in float16 has a relative error of at most 2^-11 where it is 2^-14 or more, and
an absolute error of at most 2^-25 below; one that was rounded to 0 is read as 2^-25. Logits that are read from
probabilities are the teacher's up to a constant of each row. The mass of a tail is exact, its shape is lost; the top
class stays the top class, for the mean of a tail is not above its largest.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

Kind = Literal["logits", "probabilities", "topk", "features"]


def encode(outputs: np.ndarray, kind: Kind, dtype: str, top: int | None) -> np.ndarray:
    """Rows as they are stored.

    Args:
        outputs: the teacher's logits, float32 (rows, classes); of kind features (rows, classes + width).
        top: k of kind topk.
    Returns: of the shape of `outputs` and of `dtype`; of kind topk a record a row, shape (rows,).
    """
    if kind == "probabilities":
        return _softmax(outputs).astype(dtype)
    if kind == "topk":
        return _top(outputs, dtype, int(top or 0))
    return outputs.astype(dtype)


def decode(stored: np.ndarray, kind: Kind, classes: int) -> np.ndarray:
    """Logits of rows that `encode` gave, float32 (rows, classes)."""
    if kind == "probabilities":
        return _logarithm(stored)
    if kind == "topk":
        return _spread(stored, classes)
    return np.asarray(stored[:, :classes], np.float32)


def row_bytes(kind: Kind, dtype: str, classes: int, top: int | None, components: int | None = None) -> int | None:
    """Bytes of one stored row; None for features that are all kept, whose number the teacher decides."""
    if kind == "features":
        return None if components is None else (classes + components) * np.dtype(dtype).itemsize
    return _layout(dtype, classes, int(top or 0)).itemsize if kind == "topk" else classes * np.dtype(dtype).itemsize


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(1, keepdims=True)
    return probabilities


def _logarithm(stored: np.ndarray) -> np.ndarray:
    # what is rounded to 0 is below half of the smallest number there is
    floor = math.log(float(np.finfo(stored.dtype).smallest_subnormal) / 2)
    values = stored.astype(np.float64)
    return np.log(values, out=np.full_like(values, floor), where=values > 0).astype(np.float32)


def _layout(dtype: str, classes: int, top: int) -> np.dtype[Any]:
    index = np.uint16 if classes <= 1 << 16 else np.uint32
    return np.dtype([("values", dtype, (top,)), ("classes", index, (top,)), ("tail", np.float32)])


def _top(logits: np.ndarray, dtype: str, top: int) -> np.ndarray:
    # stable, so that equal logits are kept in the order of their classes on every machine
    order = np.argsort(-logits, axis=1, kind="stable")  # (rows, classes)
    sorted_, classes = np.take_along_axis(logits, order, 1), logits.shape[1]
    rows = np.zeros(len(logits), _layout(dtype, classes, top))
    rows["values"], rows["classes"] = sorted_[:, :top], order[:, :top]
    if top < classes:
        rest = sorted_[:, top:].astype(np.float64)
        rows["tail"] = rest[:, 0] + np.log(np.exp(rest - rest[:, :1]).sum(1))
    return rows


def _spread(stored: np.ndarray, classes: int) -> np.ndarray:
    top = stored["values"].shape[1]
    rest = stored["tail"] - np.float32(math.log(max(1, classes - top)))
    logits = np.repeat(rest[:, None], classes, axis=1)
    np.put_along_axis(logits, stored["classes"].astype(np.int64), stored["values"].astype(np.float32), axis=1)
    return logits
