"""External models: `.onnx` files that no recipe knows, counted and verified on inputs of their shapes.

Nothing of a file is read before the inspector has admitted it; then its signature is, once. What converts, runs or
counts it is done in a child within limits (`kdeploy.verbs.external_work`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from kdeploy.errors import KdeployError, ModelError
from kdeploy.graphs.inspector.admit import Inspection, admit, check_repeatable, inspect
from kdeploy.graphs.inspector.trial import RUNTIME as TRIED
from kdeploy.graphs.inspector.trial import call_once
from kdeploy.models.signature import Signature, signature
from kdeploy.parity import bisection
from kdeploy.parity.compare import compare
from kdeploy.parity.oracle import finite
from kdeploy.parity.subject import Subject, compared
from kdeploy.parity.truth import GraphTruth
from kdeploy.records.base import Unavailable
from kdeploy.records.count import CountRecord
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.onnxfile import header
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.runtimes.scratch import scratch_folder, standing_for
from kdeploy.samples.input_folder import read_folder
from kdeploy.stages import bench
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.verbs import external_work
from kdeploy.verbs.plain_models import plain_model

INPUTS = 64
FEWEST, MOST = 16, 1000  # inputs out of a folder
AFFORDABLE = 20_000_000_000  # multiply-adds over all of them
FLOAT64 = "float64"


@dataclass(frozen=True)
class ExternalModel:
    """An ONNX classifier that the inspector has admitted, and what it reads and answers."""

    path: Path
    signature: Signature

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input. Raises: ModelError when a length of it is free."""
        lengths = [length or 0 for length in self.signature.shape]
        if not lengths or min(lengths) < 1:
            raise ModelError(
                str(self.path),
                "must have an input of which only the batch is dynamic",
                got=f"input {self.signature.input!r} of shape (batch, {', '.join(map(str, lengths))})",
                advice="Export it with a fixed shape.",
            )
        return tuple(lengths)


def admitted(paths: Sequence[Path]) -> list[ExternalModel]:
    """The external models in some files, each inspected before any of them is read.

    Raises: what the inspector raises, and ModelError for a file that is not a classifier.
    """
    for path in paths:
        admit(path)
    return [model_of(path) for path in paths]


def model_of(path: Path) -> ExternalModel:
    """The external model in a file that was admitted. Raises: ModelError for a file that is not a classifier."""
    return ExternalModel(path, signature(path))


def count_model(path: Path, batch: int = 1) -> CountRecord:
    """What one call of an ONNX classifier costs, layer by layer; nothing is run.

    Args:
        batch: that of a model that does not fix its own.
    Raises: what the inspector raises, and ModelError for a file that is not a classifier.
    """
    inspection = inspect(path)
    check_repeatable(inspection, path)
    with plain_model(path, inspection) as plain:
        return external_work.count(plain, batch)


def counted(path: Path, batch: int) -> CountRecord:
    """What `count_model` says of a model that was inspected."""
    model = model_of(path)
    read = model.signature
    shape = (read.batch or batch, *model.shape)
    return CountRecord(model=path.name, input_shapes={read.input: shape}, compute=bench.counted(path, read, shape))


def verify_models(paths: Sequence[Path], progress: Progress, folder: Path | None = None) -> VerifyRecord:
    """Compare each model through every runtime that is here and takes it with its own graph in float64.

    Args:
        folder: the one with real inputs, on which the models are compared with the first of them as well.
    Raises: what the inspector raises; ModelError for a file that is not a classifier, or that reads or answers
        something else than the first; DataError for a folder without inputs for it.
    """
    inspections = [admit(path) for path in paths]
    reasons: dict[tuple[str, str], str] = {}
    for path, inspection in zip(paths, inspections, strict=True):
        found = unanswered(path, inspection, [name for name in installed.deployable() if name != TRIED], progress)
        reasons |= {(str(path), name): reason for name, reason in found.items()}
    record = external_work.verify(paths, [*reasons], folder, progress)
    left_out = (Unavailable(field=f"{Path(path).name} on {name}", reason=why) for (path, name), why in reasons.items())
    return record.model_copy(update={"unavailable": tuple(left_out)})


def unanswered(path: Path, inspection: Inspection, names: Iterable[str], progress: Progress) -> dict[str, str]:
    """Why a model that was admitted is left out on some of these runtimes: they refuse it, it does not end there, or it
    ends the process.

    Each loads it and calls it once in a child of its own, so that what it hangs or crashes in costs that one alone.
    """
    reasons = {}
    for name in names:
        try:
            refusal = call_once(path, inspection, name)
        except KdeployError as exc:
            if exc.where != str(path):  # not about the model: a full disk, say
                raise
            refusal = f"it {exc.must} ({exc.got})"
        if refusal is not None:
            reasons[name] = refusal
            progress.say(f"{path.name}: left out on {name}: {refusal}")
    return reasons


def verified(
    paths: Sequence[Path], without: Collection[tuple[str, str]], progress: Progress, folder: Path | None
) -> VerifyRecord:
    """What `verify_models` says of models that were admitted.

    Args:
        without: path and runtime of what is left out.
    """
    models = [model_of(path) for path in paths]
    names: Sequence[str] = ()
    if folder is not None:
        check_alike(models)
        inputs, names = read_folder(folder, models[0].shape, min(map(_affordable, models)))
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        subjects = []
        for number, model in enumerate(models):
            stack.enter_context(standing_for(scratch / str(number), str(model.path)))
            own_inputs = made_inputs(model) if folder is None else inputs
            takers = [name for name in installed.available() if (str(model.path), name) not in without]
            subjects.append(_subject(model, own_inputs, names, takers, Path(scratch, str(number)), progress))
        record = compared(subjects=subjects, names=[], progress=progress)
    if folder is None:
        return record
    agreements = (_agreement(subjects[0], other) for other in subjects[1:])
    return record.model_copy(update={"rows": (*record.rows, *agreements)})


def _subject(
    model: ExternalModel,
    inputs: np.ndarray,
    names: Sequence[str],
    takers: Sequence[str],
    folder: Path,
    progress: Progress,
) -> Subject:
    """A model with its own graph as the truth, converted in the folder for every one of some runtimes that takes it."""
    artefacts = converted(model, inputs, folder, takers, progress)
    truth = GraphTruth(model.path, "its own graph in float64", model.signature)
    oracle = finite(truth.oracle(inputs), str(model.path))
    return Subject(model.name, model.path, inputs, oracle, artefacts, truth, names)


def converted(
    model: ExternalModel,
    inputs: np.ndarray,
    folder: Path,
    names: Iterable[str],
    progress: Progress,
    *,
    wanted: bool = False,
) -> dict[str, Path]:
    """The file of a model for each runtime; one that refuses it, as those do that start from torch, is left out.

    Args:
        inputs: float32 (inputs, *shape); the first of them are examples for the runtimes.
        wanted: each was asked for by name.
    Raises: ModelError when a wanted runtime refuses.
    """
    artefacts = {}
    source = Source(model.path, None, {model.signature.input: inputs[:3]}, None)
    for name in names:
        (folder / name).mkdir(parents=True)
        if wanted:
            artefacts[name] = installed.convert(name, source, folder / name)
            continue
        try:
            artefacts[name] = installed.find(name).convert(source, folder / name, precision="fp32")
        except Refused as refusal:
            progress.say(f"{model.name}: left out on {name}: {refusal.reason}")
    return artefacts


def sides_of(path: Path) -> str:
    """The content of the files that hold the weights of a model, as one hash."""
    tensors = header(path).graph.initializer
    names = {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
    return ",".join(hash_file(path.parent / name) for name in sorted(names))


def check_alike(models: Sequence[ExternalModel]) -> None:
    """Refuse models of which two cannot be compared with each other.

    Raises: ModelError.
    """
    first = models[0]
    for other in models[1:]:
        for what, expected, got in (
            ("inputs of the shape", first.shape, other.shape),
            ("a number of classes of", first.signature.classes, other.signature.classes),
        ):
            if got != expected:
                raise ModelError(str(other.path), f"must have {what} {expected}, as {first.name} has", got=str(got))


def _affordable(model: ExternalModel) -> int:
    """The number of inputs that float64 in NumPy takes in a minute or so."""
    batch = model.signature.batch or 1
    cost = bench.counted(model.path, model.signature, (batch, *model.shape)).multiply_adds // batch
    return min(max(AFFORDABLE // max(cost, 1), FEWEST), MOST)


def _agreement(first: Subject, other: Subject) -> ParityRow:
    """The agreement of one model with another, both in float64."""
    row = compare(first.oracle, other.oracle.logits, model=other.name, runtime=FLOAT64, batches=(len(other.inputs),))
    named: dict[str, object] = {"against": first.name, "worst_name": first.names[row.worst_input]}
    batches = {one.signature.batch for one in (first, other)} - {None}
    if not row.passed and first.truth is not None and len(batches) < 2:  # else no batch fits both
        looked = bisection.around(first.inputs, row.worst_input, next(iter(batches), None))
        named["first_node"] = bisection.first_against(other.onnx, looked, first.truth.values(looked))
    return row.model_copy(update=named)


def made_inputs(model: ExternalModel, count: int = INPUTS) -> np.ndarray:
    """Seeded uniform noise in [0, 1) of the shape that the model's input has, float32 (count, *shape).

    A model of a larger fixed batch gets one of those. Raises: ModelError when another length is not fixed.
    """
    rows = max(count, model.signature.batch or 0)
    return np.random.default_rng(0).random((rows, *model.shape), dtype=np.float32)
