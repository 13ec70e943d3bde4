"""Raw input to logits: a file with its preprocessing in the graph, against the network on inputs prepared outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdeploy.parity.compare import proved
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.subject import REFERENCE_INPUTS
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.transforms.preprocess import Layout, as_given

WITH_PREPROCESSING = "student with its preprocessing"


def compare(
    path: Path, canonical: np.ndarray, layout: Layout, oracle: Oracle, names: Sequence[str]
) -> tuple[ParityRow, ...]:
    """The parity of raw input to logits, one row a runtime.

    What fails here and not without preprocessing has a wrong preprocessing.

    Args:
        canonical: samples (N, *shape), as they come.
        oracle: the network's logits on the same samples, prepared outside of the graph.
    Raises: ModelError when a runtime does not take the file.
    """
    rows = []
    for name in names:
        inputs = as_given(canonical[:REFERENCE_INPUTS] if name == REFERENCE else canonical, layout)
        rows.append(proved(path, WITH_PREPROCESSING, oracle, inputs, name))
    return tuple(rows)
