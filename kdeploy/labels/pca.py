"""Principal components of a teacher's features, so that a layer of many thousand values can be stored and learned.

    u = (f - m) P / s,    P: D x K, the K directions in which the features f vary most;  s^2 = mean variance of f P

so that the K values have a mean variance of 1 whatever the layer, and the weight of a hint means the same for all.
Found from 2,000 samples, by the randomised method of Halko, Martinsson and Tropp 2011 (arXiv 0909.4061, algorithm 4.4).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors.torch import load, save
from torch import Tensor

from kdeploy.errors import DataError
from kdeploy.models.seeding import drawn_from
from kdeploy.models.whitening import signed
from kdeploy.records.seal import again
from kdeploy.system.files import commit_bytes
from kdeploy.system.sealed_tensors import read_sealed, sealed

_SAMPLES = 2000
_NUMBERS = 1 << 28  # of all samples together: 1 GiB


class Components(NamedTuple):
    """m, shape (D,), and P / s, shape (D, K); float32."""

    mean: Tensor
    directions: Tensor

    def of(self, features: Tensor) -> Tensor:
        """u, shape (batch, D) to (batch, K)."""
        return (features - self.mean) @ self.directions

    def save(self, path: Path) -> None:
        commit_bytes(path, sealed(lambda metadata: save(self._asdict(), metadata), {}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises: IntegrityError when the file is not one that `save` wrote."""
        must, advice = "must be the components of these labels", again("labels")
        return cls(**load(read_sealed(path, must=must, advice=advice)[0]))


def samples_needed(width: int, count: int, available: int) -> int:
    """How many samples components are found from: more than components, and no more than fit into memory."""
    return min(available, max(2 * count, min(_SAMPLES, _NUMBERS // width)))


def fit(features: Tensor, count: int) -> Components:
    """Components of features of shape (samples, D); the same samples give the same components.

    Raises: DataError when there are fewer values or samples than components.
    """
    samples, width = features.shape
    if count > min(samples, width):
        raise DataError(
            "labels.components",
            f"must be at most the teacher's {width} features, and at most the {samples} samples they are found from",
            got=str(count),
            advice="Lower it, or leave it out to store all features.",
        )
    with drawn_from(0):
        _, values, vectors = torch.pca_lowrank(features, q=count)
    spread = (values.square().mean() / samples).sqrt()
    return Components(
        features.mean(0), signed(vectors.T).T.contiguous() / spread.clamp(min=torch.finfo(spread.dtype).tiny)
    )
