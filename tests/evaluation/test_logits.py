from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from kdeploy.evaluation.logits import BATCH, logits_of
from kdeploy.evaluation.precision_cost import Labeled, precision_cost
from kdeploy.outputs.classes import CLASSES
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.feed import Feed
from kdeploy.samples.views.views import Views
from tests.models.test_classifier import linear_model

LINE = Preprocessing(input="x", kind="array", shape=(2,), dtype="float32", scale=2.0)


class Remembering:
    """A classifier whose logits are its inputs."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def logits(self, batch: Tensor) -> Tensor:
        self.batches.append(len(batch))
        return batch.double()


def test_logits_follow_the_indices_over_batches():
    canonical = np.arange(1400, dtype=np.float32).reshape(700, 2)
    indices, classifier = np.arange(699, 99, -1), Remembering()
    found = logits_of(classifier, Feed(canonical, Views(0), LINE), indices)
    assert found.dtype == np.float32
    assert np.array_equal(found, canonical[indices] * 2)
    assert classifier.batches == [BATCH, BATCH, 600 - 2 * BATCH]


def test_logits_are_those_of_the_samples_without_a_view():
    canonical = np.random.default_rng(0).integers(0, 256, (4, 1, 3, 3), np.uint8)
    image = Preprocessing(input="x", kind="image", shape=(1, 3, 3), dtype="uint8")
    found = logits_of(Remembering(), Feed(canonical, Views(0, shift=2), image), np.arange(4))
    assert torch.equal(torch.from_numpy(found), torch.from_numpy(canonical.astype(np.float32)))


def test_accuracy_is_the_share_of_rows_whose_largest_logit_is_the_label():
    logits = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [5.0, 4.0]])
    assert CLASSES.quality(logits, np.array([1, 0, 0, 0])) == 0.75


def test_agreement_looks_at_the_largest_logit_alone():
    logits = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert CLASSES.agreement(logits, np.array([[-9.0, 2.0], [0.0, 1.0]])) == 0.5
    assert CLASSES.agreement(logits, logits * 100) == 1


def negated(path: Path, **changes: Any) -> Path:
    """`linear_model` with the opposite answer: class 1 where the inputs' sum is below 0, and not where above."""
    model = onnx.load(linear_model(path, **changes))
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, path)
    return path


def test_a_format_is_put_beside_the_file_it_was_made_from(tmp_path: Path):
    inputs = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    labels = (inputs.sum(1) > 0).astype(int)
    labels[:20] = 1 - labels[:20]
    model, other = linear_model(tmp_path / "one.onnx"), negated(tmp_path / "other.onnx")
    on, asked = Labeled("test", inputs, labels), FormatRequest("onnxruntime", "int8")
    found = precision_cost("student", model, other, asked, on)
    assert (found.model, found.format, found.part, found.inputs) == ("student", "onnxruntime:int8", "test", 200)
    assert (found.fp32, found.accuracy, found.agreement, found.drop_points) == (0.9, 0.1, 0.0, 80.0)
    same = precision_cost("student", model, model, asked, on)
    assert (same.accuracy, same.agreement, same.drop_points) == (0.9, 1.0, 0.0)


def test_a_format_of_a_fixed_batch_is_compared_on_what_fills_it(tmp_path: Path):
    inputs = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    model, fixed = linear_model(tmp_path / "one.onnx"), linear_model(tmp_path / "fixed.onnx", rows=32)
    on = Labeled("held_out", inputs, (inputs.sum(1) > 0).astype(int))
    found = precision_cost("teacher", model, fixed, FormatRequest("onnxruntime", "int8"), on)
    assert (found.inputs, found.fp32, found.accuracy, found.agreement) == (192, 1, 1, 1)
