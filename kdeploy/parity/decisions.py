"""What logits decide, and by how much: the largest of several; a single one, as of a binary classifier, by its sign."""

from __future__ import annotations

import numpy as np


def decided(logits: np.ndarray) -> np.ndarray:
    """The class of each input, int64 (inputs,), from logits (inputs, classes); 0 or 1 where there is one logit."""
    classes: np.ndarray = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(np.int64)
    return classes


def margins(logits: np.ndarray) -> np.ndarray:
    """How far each decision is from another, (inputs,): the largest logit less the second; a single one less 0."""
    ranked = np.sort(logits, axis=1)  # (inputs, classes), the largest last
    distance: np.ndarray = ranked[:, -1] - ranked[:, -2] if logits.shape[1] > 1 else np.abs(ranked[:, 0])
    return distance
