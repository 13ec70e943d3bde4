"""Logits of whole parts of a sample set, and what they say: accuracy, agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from kdeploy import parity
from kdeploy.models.adapters import Classifier, signature
from kdeploy.recipe.formats import Asked
from kdeploy.records.precision import Cost
from kdeploy.samples.feed import Feed

FP32 = "onnxruntime"  # what runs an ONNX file that a format in another precision is put beside

BATCH = 256


def logits_of(classifier: Classifier, feed: Feed, indices: np.ndarray) -> np.ndarray:
    """Logits without any view, float32 of shape (len(indices), classes)."""
    parts = [
        classifier.logits(feed.plain(indices[start : start + BATCH])).numpy() for start in range(0, len(indices), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The fraction of rows whose largest logit is the label's."""
    return float((logits.argmax(1) == labels).mean())


def agreement(logits: np.ndarray, others: np.ndarray) -> float:
    """The fraction of rows whose largest logit is the same."""
    return float((logits.argmax(1) == others.argmax(1)).mean())


class Labelled(NamedTuple):
    """One part of a sample set: inputs as a model reads them, float32 (samples, *shape), and labels."""

    part: Literal["held_out", "test"]
    inputs: np.ndarray
    labels: np.ndarray


def precision_cost(
    model: Literal["student", "teacher", "baseline"], onnx: Path, artefact: Path, asked: Asked, on: Labelled
) -> Cost:
    """A format beside the ONNX file that it was made from; a format of a fixed batch leaves out what does not fill it.

    Args:
        asked: what the artefact is.
    """
    read = signature(onnx).input
    found, _ = parity.answers(asked.runtime, artefact, read, on.inputs)
    exact = parity.answers(FP32, onnx, read, on.inputs)[0][: len(found)]
    labels = on.labels[: len(found)]
    return Cost(
        model=model,
        format=str(asked),
        part=on.part,
        inputs=len(found),
        fp32=accuracy(exact, labels),
        accuracy=accuracy(found, labels),
        agreement=agreement(found, exact),
    )
