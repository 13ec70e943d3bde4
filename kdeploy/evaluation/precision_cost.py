"""What a format in another precision costs: quality and agreement compared with the fp32 file it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from kdeploy.models.signature import signature
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.parity.compare import answers
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.precision import Cost
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.sampleset import SampleSet

FP32 = "onnxruntime"  # what runs the ONNX file that a format in another precision is compared with


class Labeled(NamedTuple):
    """One part of a sample set: inputs as a model reads them, float32 (samples, *shape), and labels, of that kind."""

    part: Literal["held_out", "test"]
    inputs: np.ndarray
    labels: np.ndarray
    kind: Kind = CLASSES

    @classmethod
    def of(cls, samples: SampleSet, preprocessing: Preprocessing, part: Literal["held_out", "test"]) -> Labeled:
        """A part as a model reads it."""
        from kdeploy.samples.feed import plain_inputs  # with torch, which external models do without

        rows = samples.parts[part]
        return cls(part, plain_inputs(samples, preprocessing, rows), samples.labels[rows], samples.kind)


def precision_cost(
    model: Literal["student", "teacher", "baseline"], onnx: Path, artefact: Path, request: FormatRequest, on: Labeled
) -> Cost:
    """The cost of a format, next to its ONNX file; a format of a fixed batch leaves out what does not fill it.

    Args:
        request: what the artefact is.
    """
    input_name = signature(onnx).input
    logits, _ = answers(request.runtime, artefact, input_name, on.inputs)
    exact = answers(FP32, onnx, input_name, on.inputs)[0][: len(logits)]
    labels = on.labels[: len(logits)]
    return Cost(
        model=model,
        format=str(request),
        part=on.part,
        inputs=len(logits),
        fp32=on.kind.quality(exact, labels),
        accuracy=on.kind.quality(logits, labels),
        agreement=on.kind.agreement(logits, exact),
        outputs=on.kind.name,
    )
