"""verify: student and teacher on all test inputs through every runtime, against the trained nets in float64."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdeploy import parity, runtimes
from kdeploy.models.adapters import signature
from kdeploy.progress import Progress
from kdeploy.recipe.formats import ONNX, Asked
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.runtimes.protocol import Source

REFERENCE = "reference"  # the ONNX reference evaluator: numpy, and slow
REFERENCE_INPUTS = 64


@dataclass(frozen=True)
class Subject:
    """One exported model, what it must agree with, and where it was converted already.

    Args:
        inputs: preprocessed test inputs, float32 (inputs, *shape).
        artefacts: a format, as `openvino` or `onnxruntime:int8`, to its file; of one that is not named `onnx` is
            converted.
    """

    name: str
    onnx: Path
    inputs: np.ndarray
    oracle: parity.Oracle
    artefacts: Mapping[str, Path]


def run(*, subjects: list[Subject], names: list[str], progress: Progress) -> VerifyRecord:
    """Compare every subject in every format; a failure is a row, not an exception.

    Args:
        names: of formats; what a subject was converted into is compared too.
    """
    plan = [
        (subject, name)
        for subject in subjects
        for name in dict.fromkeys((*names, *subject.artefacts))
        if name != ONNX  # the file is what onnxruntime runs
    ]
    rows = []
    with progress.task("parity", len(plan)) as advance:
        for subject, name in plan:
            rows.append(_row(subject, name))
            advance(len(rows))
    used = dict.fromkeys(row.runtime for row in rows)
    return VerifyRecord(rows=tuple(rows), versions={name: runtimes.find(name).version() for name in used})


def _row(subject: Subject, name: str) -> ParityRow:
    asked = Asked.parse(name)
    runtime, input_name = runtimes.find(asked.runtime), signature(subject.onnx).input
    inputs = subject.inputs[:REFERENCE_INPUTS] if name == REFERENCE else subject.inputs
    with tempfile.TemporaryDirectory() as scratch:
        artefact = subject.artefacts.get(name)
        if artefact is None:
            source = Source(subject.onnx, None, {input_name: inputs[:3]}, None)
            artefact = runtimes.convert(asked.runtime, source, Path(scratch), precision=asked.precision)
        session = runtime.load(artefact, threads=1)
        logits, batches = parity.logits_of(session, input_name, inputs)
        session.close()
    return parity.compare(
        subject.oracle,
        logits,
        model=subject.name,
        runtime=asked.runtime,
        batches=batches,
        precision=asked.precision,
    )
