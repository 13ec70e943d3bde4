"""The teacher of a drafted recipe: what it takes, whether the data fit it, which common preprocessing suits it best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from kdeploy.errors import ModelError
from kdeploy.graphs.columns import columns_for
from kdeploy.graphs.inspector.admit import admit
from kdeploy.graphs.logits import take_logits
from kdeploy.models.classifier import OnnxClassifier
from kdeploy.models.signature import signature
from kdeploy.outputs.classes import CLASSES
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing import apply
from kdeploy.verbs.init.data import Sample
from kdeploy.verbs.init.order import other_order

_NEARLY = 0.95  # of the most that answers tell with any preprocessing
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class TeacherSignature:
    """The shape of a teacher's input without the batch axis (None: free), its classes, and the batch it is fixed to."""

    shape: tuple[int | None, ...]
    classes: int
    batch: int | None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of an image input, where they are fixed."""
        height, width = self.shape[1:] if len(self.shape) == 3 else (None, None)
        return None if height is None or width is None else (height, width)

    @property
    def mode(self) -> str | None:
        """The mode of images for an image input, where its channels say it."""
        return {1: "L", 3: "RGB"}.get(self.shape[0] or 0) if len(self.shape) == 3 else None


@dataclass(frozen=True)
class Fit:
    """How the teacher is to be fed: recipe keys under `preprocess`, in words, and its accuracy with them on `rows`.

    `accuracy` is None where nothing is labelled; `bits` is what an answer tells of an input, `largest` the largest size
    of a logit, `chosen_of` the number of the teacher's classes where those of the data are taken by their names,
    `classes` the order of the data's in which it is right, where that is another than theirs.
    """

    preprocess: dict[str, Any]
    words: str
    accuracy: float | None
    bits: float
    rows: int
    largest: float
    chosen_of: int | None = None
    classes: Sequence[str] = ()


def look_at(path: Path) -> TeacherSignature:
    """The signature of a teacher, after an inspection.

    Raises: what the inspector raises; ModelError when it is no classifier with one float32 input.
    """
    inspected, answers = admit(path), signature(path)
    shape = tuple(length if isinstance(length, int) else None for length in inspected.inputs[0].shape[1:])
    return TeacherSignature(shape, answers.classes, answers.batch)


def fit(path: Path, teacher: TeacherSignature, sample: Sample) -> Fit:
    """The preprocessing, among common ones, with which the teacher is right most often; the first of equals.

    Without any label, the likeliest with which its answers tell nearly as much as they can, since what it was
    not trained for looks all alike to a network.

    Raises: ModelError when the teacher cannot take such samples, or has other classes.
    """
    size, model = _size(path, teacher, sample), onnx.load(path)
    end, columns = (
        take_logits(model, str(path)),
        columns_for(model, teacher.classes, None, sample.class_names, str(path)),
    )
    if columns is None and sample.class_names and teacher.classes != len(sample.class_names):
        must = f"must give one logit for each of the data's {len(sample.class_names)} classes"
        advice = "Give data with the same classes; or a recipe that names those of the teacher in teacher.classes."
        raise ModelError(str(path), must, got=f"{teacher.classes} logits", advice=advice)
    chosen, chosen_of = slice(None) if columns is None else columns, None if columns is None else teacher.classes
    classifier, fits, answers = OnnxClassifier(path, threads=1), list[Fit](), list[np.ndarray]()
    for words, options in _common(sample):
        spec = _plain(sample).model_copy(update=options | ({"size": size} if size else {}))
        logits = _as_logits(classifier.logits(apply(spec, torch.from_numpy(sample.inputs))), end)[:, chosen]
        if not torch.isfinite(logits).all():
            raise ModelError(str(path), "must give finite logits of the data", got=f"NaN or infinite ones of {words}")
        right, bits = CLASSES.quality(logits.numpy(), sample.labels), _bits(logits)
        keys = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
        preprocess = keys | ({"size": list(size)} if size else {})
        answers.append(logits.numpy())
        fits.append(Fit(preprocess, words, right, bits, len(sample.labels), float(logits.abs().max()), chosen_of))
    if fits[0].accuracy is None:
        return next(one for one in fits if one.bits >= _NEARLY * max(other.bits for other in fits))
    other = other_order(sample.class_names, sample.labels, answers) if columns is None else None
    if other is not None:
        return replace(fits[other.place], accuracy=other.accuracy, classes=other.classes)
    return max(fits, key=lambda one: one.accuracy or 0.0)


def _as_logits(answers: torch.Tensor, end: str) -> torch.Tensor:
    """Logits (rows, classes), up to a number a row, of what a graph that ends so answers."""
    return answers.clamp_min(torch.finfo(answers.dtype).tiny).log() if end == "Softmax" else answers


def _bits(logits: torch.Tensor) -> float:
    """The mutual information of inputs and answers, H(mean_x p_x) - mean_x H(p_x) in bits; logits (rows, classes)."""
    probabilities = logits.double().softmax(1)
    entropy = torch.special.entr
    information = entropy(probabilities.mean(0)).sum() - entropy(probabilities).sum(1).mean()
    return float(information) / math.log(2)


def _size(path: Path, teacher: TeacherSignature, sample: Sample) -> tuple[int, int] | None:
    """The (height, width) that the teacher needs samples resized to, or None when the samples fit as they are."""
    expected, shape = teacher.shape, sample.shape
    if len(expected) == len(shape) and all(
        length in (None, have) for length, have in zip(expected, shape, strict=True)
    ):
        return None
    same_channels = len(expected) == len(shape) == 3 and expected[0] in (None, shape[0])
    if sample.kind == "image" and same_channels and teacher.size is not None:
        return teacher.size
    dimensions = ", ".join("any" if length is None else str(length) for length in expected)
    must, advice = f"must take samples like the data's, {shape}", "Convert the data, or export the teacher for them."
    raise ModelError(str(path), must, got=f"({dimensions})", advice=advice)


def _common(sample: Sample) -> list[tuple[str, dict[str, Any]]]:
    """The preprocessings that networks usually have, in words and as recipe keys, the likeliest first."""
    if sample.kind != "image":
        return [("the numbers as they are", {})]
    channels = sample.shape[0]
    half = (0.5,) * channels
    imagenet = [("pixels / 255 with the mean and deviation of ImageNet", dict(_IMAGENET))] if channels == 3 else []
    return [
        ("pixels / 255", {}),
        *imagenet,
        ("pixels from -1 to 1", {"mean": half, "std": half}),
        ("pixels from 0 to 255", {"scale": 1.0}),
    ]


def _plain(sample: Sample) -> Preprocessing:
    image = sample.kind == "image"
    return Preprocessing(
        input=sample.name,
        kind=sample.kind,
        shape=sample.shape,
        dtype="uint8" if image else "float32",
        scale=1 / 255 if image else 1.0,
    )
