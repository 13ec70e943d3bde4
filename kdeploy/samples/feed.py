"""Samples on their way to a model: rows of a sample set, seen in a view, preprocessed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kdeploy.errors import DataError
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing import apply
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views import mixup
from kdeploy.samples.views.munge import Munge
from kdeploy.samples.views.views import Views
from kdeploy.samples.windows import Canonical

_CHUNK_BYTES = 1 << 22  # of float64 samples; a few times as much lies in memory while they are squared


@dataclass(frozen=True)
class Feed:
    """One input of a sample set, as one model reads it.

    Args:
        canonical: every sample, of shape (samples, *shape).
        views: the augmentation; it is the same for every model that reads this view.
        preprocessing: the model's own.
        partners: the samples that mixup may mix in: never those of the test part.
        munge: makes new rows of a table, before the other steps of a view; only of the samples it knows.
    Raises: DataError when there is mixup and nobody to mix with.
    """

    canonical: Canonical
    views: Views
    preprocessing: Preprocessing
    partners: np.ndarray | None = None
    munge: Munge | None = None

    def __post_init__(self) -> None:
        if self.views.mixup and (self.partners is None or len(self.partners) == 0):
            raise DataError("views.mixup", "must have samples to mix with", got="none")

    @property
    def mixes(self) -> bool:
        """Does a view mix several samples, so that it has no true label?"""
        return bool(self.views.mixup) or self.munge is not None

    @property
    def unmixed(self) -> Feed:
        """The same samples in the same views without what mixes samples, for a training on labels."""
        return replace(self, views=self.views.unmixed, munge=None)

    def plain(self, indices: np.ndarray) -> Tensor:
        """Preprocessed samples without a view: float32 (rows, *preprocessing.model_shape) of int64 indices (rows,)."""
        return apply(self.preprocessing, self._rows(indices))

    def view(self, indices: np.ndarray, view: int) -> Tensor:
        """Preprocessed samples in one view: float32 (rows, *preprocessing.model_shape) of int64 indices (rows,).

        A partner is seen in the same view before it is mixed in.
        """
        batch = self._seen(indices, view)
        if self.views.mixup and self.partners is not None:
            draws = self.views.draws(torch.from_numpy(indices), view)
            others = mixup.partners(draws, torch.from_numpy(self.partners)).numpy()
            batch = mixup.mix(batch, self._seen(others, view), mixup.weights(draws, self.views.mixup))
        return apply(self.preprocessing, batch)

    def _seen(self, indices: np.ndarray, view: int) -> Tensor:
        rows, samples = self._rows(indices), torch.from_numpy(indices)
        if self.munge is not None:
            rows = self.munge(rows, indices, self.views.draws(samples, view))
        return self.views(rows, samples, view)

    def _rows(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.canonical[indices]))  # (rows, *shape), canonical


def plain_feed(samples: SampleSet, preprocessing: Preprocessing) -> Feed:
    """Every sample as a model reads it, in no view."""
    return Feed(samples.inputs[preprocessing.input], Views(0), preprocessing)


def plain_inputs(samples: SampleSet, preprocessing: Preprocessing, rows: np.ndarray) -> np.ndarray:
    """Some samples as a model reads them, without a view: float32 (rows, *preprocessing.model_shape)."""
    inputs: np.ndarray = plain_feed(samples, preprocessing).plain(rows).numpy()
    return inputs


def statistics(canonical: Canonical, indices: np.ndarray, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel (first axis of a sample) over some samples, times `scale`.

    A channel that never changes gets the standard deviation 1, so that dividing by it does nothing.

    Args:
        canonical: (samples, channels, ...).
        indices: int64 (rows,), the samples that count.
    Returns: two tuples of as many floats as there are channels.
    """
    channels = canonical.shape[1]
    rows = max(1, _CHUNK_BYTES // (8 * math.prod(canonical.shape[1:])))
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for start in range(0, len(indices), rows):
        part = canonical[indices[start : start + rows]].astype(np.float64) * scale
        part = np.moveaxis(part, 1, 0).reshape(channels, -1)  # (channels, rows x values a channel)
        total, squares, count = total + part.sum(1), squares + np.square(part).sum(1), count + part.shape[1]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    # seven digits survive float32, which is where these numbers go
    rounded = (
        [float(f"{value:.7g}") for value in mean],
        [float(f"{value:.7g}") if value > 1e-6 else 1.0 for value in std],
    )
    return tuple(rounded[0]), tuple(rounded[1])
