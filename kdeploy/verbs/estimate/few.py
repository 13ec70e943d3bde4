"""A few samples of each part, as a sample set of their own: what a small run works on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from kdeploy.parity.compare import thinned
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.split import Rows
from kdeploy.samples.windows import Windows


def few(samples: SampleSet, learned: int, evaluated: int) -> SampleSet:
    """At most so many samples a part, evenly spread over it.

    Args:
        learned: of the labelled part, of the unlabelled part, and of a transfer set that was chosen.
        evaluated: of the held-out and of the test part.
    """
    most = {"labeled": learned, "unlabeled": learned, "held_out": evaluated, "test": evaluated}
    rows = [thinned(samples.parts[name], count) for name, count in most.items()]
    chosen = () if samples.chosen is None else (thinned(samples.chosen, learned),)
    kept = np.unique(np.concatenate([*rows, *chosen]))
    return replace(
        samples,
        inputs={name: np.ascontiguousarray(array[kept]) for name, array in samples.inputs.items()},
        labels=samples.labels[kept],
        parts={name: _places(part, kept) for name, part in samples.parts.items()},
        chosen=None if samples.chosen is None else _places(samples.chosen, kept),
        where="samples",
        finite=True,
    )


def canonical_bytes(samples: SampleSet) -> int:
    """The bytes of all inputs and labels, as they are kept on the disk; of windows those of the frames."""
    arrays = [array.frames if isinstance(array, Windows) else array for array in samples.inputs.values()]
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in (*arrays, samples.labels))


def _places(part: Rows, kept: Rows) -> Rows:
    """Where the rows of a part that were kept are now; both int64, sorted."""
    return np.searchsorted(kept, np.intersect1d(part, kept, assume_unique=True)).astype(np.int64)
