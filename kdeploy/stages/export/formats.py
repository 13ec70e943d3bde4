"""The formats: each model converted for each runtime and precision, and compared with the trained network on real
inputs.

Nothing is believed of a converter: what it wrote is loaded and answers, before it is called a format.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from kdeploy.errors import MissingError, ModelError
from kdeploy.formatting.places import without_places
from kdeploy.models.signature import signature
from kdeploy.parity.compare import answers, compare, raise_if_failed, thinned, what_changed
from kdeploy.parity.conversion import Converted, converted
from kdeploy.parity.double import precision_of_file
from kdeploy.parity.oracle import Oracle
from kdeploy.recipe.formats import ONNX, FormatRequest
from kdeploy.records.export import Format, Processors
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.system.files import folder_bytes
from kdeploy.system.progress import Progress

RUNS_ONNX = "onnxruntime"  # what answers for the ONNX file itself
CALIBRATION_BATCH = 32
TRANSFER = 1536  # inputs of the transfer set: 512 to calibrate on, 1,024 to compare on


@dataclass(frozen=True)
class ConvertedModel:
    """One exported model: what its formats are made from, and what they must agree with.

    Args:
        module: what the ONNX file was exported from; None for one that came as ONNX.
        oracle: of `inputs`.
        inputs: real, preprocessed, float32 (inputs, *shape); what every format is compared on.
        calibration: others of the same shape, from the transfer set, for formats with ranges to find.
    """

    name: Literal["student", "teacher"]
    path: Path
    module: nn.Module | None
    oracle: Oracle
    inputs: np.ndarray
    calibration: np.ndarray


def divided(held_out: np.ndarray, transfer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What formats are calibrated on, and what they are compared on: no input is in both.

    Every third transfer input is for calibration, so that a third of `TRANSFER` is; the others, and the held-out ones,
    are for comparing.

    Args:
        held_out, transfer: preprocessed, float32 (inputs, *shape).
    Returns: two arrays of the same kind.
    """
    calibrated = np.arange(len(transfer)) % 3 == 0
    compared = np.concatenate([transfer[~calibrated], thinned(held_out, TRANSFER)])
    return transfer[calibrated], compared


def convert(
    folder: Path, requests: Sequence[FormatRequest], subjects: Sequence[ConvertedModel], progress: Progress
) -> tuple[Format, ...]:
    """Convert every subject into every format, below `folder/formats/`.

    Returns: one a format and subject, but for precisions that `all` tried and the runtime has not.
    Raises: ParityError for a format that is not the trained network, but for int8, which is refused then; ModelError
        for a student that is refused though the format was asked for by name; MissingError for a runtime that is not
        here.
    """
    formats: list[Format] = []
    with progress.task("formats", len(requests) * len(subjects)) as advance:
        for number, (format_, subject) in enumerate((one, each) for one in requests for each in subjects):
            result = _converted(folder, format_, subject)
            formats += [] if result is None else [result]
            advance(number + 1)
    return tuple(formats)


def _converted(folder: Path, request: FormatRequest, subject: ConvertedModel) -> Format | None:
    try:
        made = _made(folder, request, subject)
    except MissingError as missing:
        if not request.optional:
            raise
        return _refused(request, subject, str(missing))
    except Refused as refusal:
        # the student is what ships: a teacher that came as ONNX cannot go where a torch module is needed
        if not request.optional and subject.name != "teacher":
            advice = f"Remove {request} from export.formats."
            must = f"must take the {subject.name}"
            raise ModelError(f"format {request}", must, got=refusal.reason, advice=advice) from refusal
        return None if isinstance(refusal, NotOffered) else _refused(request, subject, refusal.reason)
    row = _compared(made, request, subject)
    if not row.passed and (request.precision == "int8" or (request.optional and request.precision != "fp32")):
        shutil.rmtree(_place(folder, request, subject))
        changed = what_changed(row)
        reason = f"off by {row.max_abs_error:.3g}, {changed}, where {row.budget:.3g} is allowed"
        return _refused(request, subject, reason, row)
    raise_if_failed([row])
    names, why = installed.processors(_runtime(request), request.precision)
    return Format(
        model=subject.name,
        runtime=request.runtime,
        precision=request.precision,
        file=made.artefact.relative_to(folder).as_posix(),
        bytes=made.artefact.stat().st_size
        if request.runtime == ONNX
        else folder_bytes(_place(folder, request, subject)),
        parity=row,
        processors=Processors(names=names, reason=why),
    )


def _runtime(request: FormatRequest) -> str:
    return RUNS_ONNX if request.runtime == ONNX else request.runtime


def _made(folder: Path, request: FormatRequest, subject: ConvertedModel) -> Converted:
    """The file to load, and its answers. What came as ONNX may do anything to a runtime, so it does that apart."""
    if request.runtime == ONNX:
        return Converted(subject.path, *_answers(subject.path, request, subject))
    target = _place(folder, request, subject)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        if subject.module is None:
            return converted(_source(subject), request, target, subject.inputs)
        artefact = installed.find(request.runtime).convert(_source(subject), target, precision=request.precision)
    except Refused:
        shutil.rmtree(target)
        raise
    if not artefact.is_file() or not artefact.stat().st_size:
        raise ModelError(f"format {request}", f"must write the {subject.name}", got=f"nothing in {artefact.name}")
    return Converted(artefact, *_answers(artefact, request, subject))


def _place(folder: Path, request: FormatRequest, subject: ConvertedModel) -> Path:
    return folder / "formats" / request.folder / subject.name


def _source(subject: ConvertedModel) -> Source:
    module = subject.module
    source = source_of(subject.path, subject.inputs, subject.calibration)
    return source._replace(module=None if module is None else lambda: module)


def source_of(path: Path, inputs: np.ndarray, calibration: np.ndarray) -> Source:
    """An ONNX file with real inputs for it, some as an example, the others in batches to calibrate on.

    Args:
        inputs, calibration: preprocessed, float32 (inputs, *shape).
    """
    name, starts = signature(path).input, range(0, len(calibration), CALIBRATION_BATCH)
    batches = [{name: calibration[start : start + CALIBRATION_BATCH]} for start in starts]
    return Source(path, None, {name: inputs[:3]}, batches or None)


def _answers(artefact: Path, request: FormatRequest, subject: ConvertedModel) -> tuple[np.ndarray, tuple[int, ...]]:
    return answers(_runtime(request), artefact, signature(subject.path).input, subject.inputs)


def _compared(made: Converted, request: FormatRequest, subject: ConvertedModel) -> ParityRow:
    name, precision = _runtime(request), request.precision
    if precision == "fp32":  # a graph that computes in another one is judged in that
        precision = precision_of_file(subject.path)
    return compare(
        subject.oracle, made.logits, model=subject.name, runtime=name, batches=made.batches, precision=precision
    )


def _refused(request: FormatRequest, subject: ConvertedModel, reason: str, row: ParityRow | None = None) -> Format:
    return Format(
        model=subject.name,
        runtime=request.runtime,
        precision=request.precision,
        file="",
        bytes=0,
        parity=row,
        refused=without_places(reason),  # a library says where it read
    )
