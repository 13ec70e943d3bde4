"""Logits of whole parts of a sample set, and what they say: accuracy, agreement."""

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


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """The fraction of labelled rows whose largest logit is the label's; None where no row is labelled.

    Args:
        logits: (rows, classes).
        labels: int64 (rows,), -1 for none.
    """
    labeled = labels >= 0
    return float((logits[labeled].argmax(1) == labels[labeled]).mean()) if labeled.any() else None


def agreement(logits: np.ndarray, others: np.ndarray) -> float:
    """The fraction of rows whose largest logit is of the same class in both; (rows, classes) each."""
    return float((logits.argmax(1) == others.argmax(1)).mean())
