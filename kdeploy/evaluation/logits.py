"""Outputs of whole parts of a sample set: logits, or values in the user's unit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from kdeploy.models.classifier import Classifier
    from kdeploy.samples.feed import Feed

BATCH = 256


def logits_of(classifier: Classifier, feed: Feed, indices: np.ndarray) -> np.ndarray:
    """Logits without any view, float32 of shape (len(indices), classes)."""
    parts = [
        classifier.logits(feed.plain(indices[start : start + BATCH])).numpy() for start in range(0, len(indices), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


def stored_logits(folder: Path, part: Literal["held_out", "test"]) -> np.ndarray:
    """The teacher's logits on a part, as its stage stored them: float32 (samples, classes)."""
    logits: np.ndarray = np.load(folder / f"{part}_logits.npy", allow_pickle=False)
    return logits
