"""External models: `.onnx` files that no recipe knows, counted and verified on inputs of their shapes.

Nothing of a file is read before the inspector has admitted it; then its signature is, once. What converts, runs or
counts it is done in a child within limits (`kdeploy.verbs.external_work`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs.inspector.admit import Inspection, admit, check_repeatable, inspect
from kdeploy.graphs.inspector.trial import call_once
from kdeploy.models.signature import Signature, signature
from kdeploy.parity import bisection
from kdeploy.parity.apart import Comparison, Job, outcome
from kdeploy.parity.compare import compare
from kdeploy.parity.expected import Expected
from kdeploy.parity.extent import FAMILIES, Cost, cost_of, words
from kdeploy.parity.made_families import MadeFamily, made_families
from kdeploy.parity.oracle import EVALUATOR
from kdeploy.parity.subject import Subject
from kdeploy.parity.truth import GraphTruth
from kdeploy.records.base import Unavailable
from kdeploy.records.count import CountRecord
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.onnxfile import fix_lengths, free_lengths, header
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.runtimes.scratch import scratch_folder, standing_for
from kdeploy.samples.input_folder import read_folder
from kdeploy.stages import bench
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.verbs import external_work
from kdeploy.verbs.plain_models import plain_model

FEWEST, MOST = 4, 1000  # inputs out of a folder
AFFORDABLE = 100_000_000_000  # multiply-adds over all of them
QUICK = 5_000_000_000  # multiply-adds of all inputs, which take some seconds
FLOAT64 = "float64"
OWN_GRAPH, RUNTIMES = "its own graph in float64", "the median of the runtimes in float32"


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
        lengths = [length for length in self.signature.shape if length]
        if not lengths or len(lengths) < len(self.signature.shape):
            words = ", ".join(str(length or "free") for length in self.signature.shape)
            raise ModelError(
                str(self.path),
                "must have an input of which only the batch is free",
                got=f"input {self.signature.input!r} of shape (batch, {words})",
                advice="Show and verify take lengths with --shape, as --shape 3,224,224; "
                "for anything else export it with a fixed shape.",
            )
        return tuple(lengths)

    @cached_property
    def cost(self) -> Cost:
        """What one row costs."""
        return cost_of(self.path, self.signature)


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


def count_model(path: Path, batch: int = 1, shape: Sequence[int] | None = None) -> CountRecord:
    """What one call of an ONNX classifier costs, layer by layer; nothing is run.

    Args:
        batch: that of a model that does not fix its own.
        shape: the lengths of a sample, where some are free.
    Raises: what the inspector raises, and ModelError for a file that is not a classifier.
    """
    inspection = inspect(path, shape=shape)
    check_repeatable(inspection, path)
    with plain_model(path, inspection) as plain:
        return external_work.count(plain, batch, shape)


def counted(path: Path, batch: int, shape: Sequence[int] | None = None) -> CountRecord:
    """What `count_model` says of a model that was inspected."""
    model = model_of(path)
    read = model.signature
    whole = (read.batch or batch, *(shape or model.shape))
    return CountRecord(model=path.name, input_shapes={read.input: whole}, compute=bench.counted(path, read, whole))


def verify_models(
    paths: Sequence[Path],
    progress: Progress,
    folder: Path | None = None,
    names: Sequence[str] | None = None,
    shape: Sequence[int] | None = None,
) -> VerifyRecord:
    """Compare each model through every runtime that is here and takes it with its own graph in float64.

    Args:
        folder: the one with real inputs, on which the models are compared with the first of them as well.
        names: of runtimes, each of which must take every model; None for all that are here.
        shape: the lengths of a sample, where some are free.
    Raises: what the inspector raises; ModelError for a file that is not a classifier, or that reads or answers
        something else than the first; DataError for a folder without inputs for it.
    """
    chosen = [*installed.available()] if names is None else [installed.find(name).name for name in dict.fromkeys(names)]
    with scratch_folder() as scratch, ExitStack() as stack:
        admissions = [_admitted(path, shape) for path in paths]
        plain = [
            stack.enter_context(plain_model(path, admission.inspection))
            for path, admission in zip(paths, admissions, strict=True)
        ]
        paths = [
            stack.enter_context(_shaped(path, admission.inspection, shape, scratch / str(number)))
            for number, (path, admission) in enumerate(zip(plain, admissions, strict=True))
        ]
        called = [path for path, admission in zip(paths, admissions, strict=True) if admission.is_called]
        agreements = external_work.expect(paths, called, folder, scratch, progress)
        jobs = [
            Job(path, path.name, name, scratch / f"{number}.npz")
            for number, path in enumerate(paths)
            for name in chosen
        ]
        record = rows_of(jobs, progress, wanted=names is not None)
    return record.model_copy(update={"rows": (*record.rows, *agreements)})


class _Admission(NamedTuple):
    """An inspected model; is it called by ONNX Runtime, or does that end the process?"""

    inspection: Inspection
    is_called: bool


def _admitted(path: Path, shape: Sequence[int] | None) -> _Admission:
    """Inspect a model, and have it called once: what ends ONNX Runtime there may run in the others.

    Raises: what the inspector raises, and ResourceError for a model that does not end.
    """
    inspection = inspect(path, shape=shape)
    check_repeatable(inspection, path)
    try:
        call_once(path, inspection)
    except ResourceError as exc:
        if exc.where != str(path) or "it ended with signal" not in exc.got:
            raise
        return _Admission(inspection, is_called=False)
    return _Admission(inspection, is_called=True)


@contextmanager
def _shaped(path: Path, inspection: Inspection, shape: Sequence[int] | None, folder: Path) -> Iterator[Path]:
    """The path of a model that was admitted, or that of its copy with a shape; errors are about the original."""
    if shape is None:
        yield path
        return
    folder.mkdir()
    with standing_for(folder, str(path)):
        model = header(path)
        free_lengths(model.graph)
        fix_lengths(model.graph, shape, str(path))
        onnx.save(model, folder / path.name)
        for name in inspection.side_files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / name, folder / name)
        yield folder / path.name


def rows_of(jobs: Sequence[Job], progress: Progress, *, wanted: bool) -> VerifyRecord:
    """The outcomes of some jobs; what a runtime has no row for is said at once.

    Args:
        wanted: each runtime was asked for by name.
    Raises: ModelError for a job without a row whose runtime is wanted, and for a model that no runtime takes.
    """
    outcomes = []
    with progress.task("parity", len(jobs)) as advance:
        for job in jobs:
            outcomes.append(outcome(job))
            row, reason = outcomes[-1]
            if row is None and wanted:
                raise _refused(job, f"runtime '{job.runtime}'", str(reason))
            if reason is not None:
                progress.say(f"{job.name}: {'' if row else 'left out '}on {job.runtime}: {reason}")
            advance(len(outcomes))
    rows = [row for row, _ in outcomes if row is not None]
    for job in jobs:
        _check_compared(job, jobs, outcomes)
    versions = {name: installed.find(name).version() for name in dict.fromkeys(row.runtime for row in rows)}
    reasons = [
        Unavailable(field=f"{job.name} on {job.runtime}", reason=reason)
        for job, (_, reason) in zip(jobs, outcomes, strict=True)
        if reason is not None
    ]
    return VerifyRecord(rows=tuple(rows), versions=versions, unavailable=tuple(reasons))


def _check_compared(job: Job, jobs: Sequence[Job], outcomes: Sequence[Comparison]) -> None:
    """Raises: ModelError when the model of a job has no row, or only that of the evaluator that judges."""
    own = [(one.runtime, each) for one, each in zip(jobs, outcomes, strict=True) if one.path == job.path]
    asked = {name for name, _ in own}
    if any(each.row is not None for name, each in own if name != REFERENCE or asked == {REFERENCE}):
        return
    reasons = "; ".join(f"{name}: {each.reason}" for name, each in own if each.reason)
    raise ModelError(str(job.path), "must be taken by one of the runtimes that are here", got=reasons)


def _refused(job: Job, where: str, reason: str) -> ModelError:
    return ModelError(where, f"must take {job.name}", got=reason, advice="Choose another with --runtime.")


def expect(
    paths: Sequence[Path], called: Collection[Path], folder: Path | None, scratch: Path, progress: Progress
) -> list[ParityRow]:
    """Write what each admitted model must answer into `scratch`, as `0.npz`, `1.npz` and so on.

    Args:
        called: those that ONNX Runtime may be asked about.
    Returns: with a folder of real inputs, the agreement of each model with the first.
    """
    models = [model_of(path) for path in paths]
    names: Sequence[str] = ()
    if folder is not None:
        check_alike(models)
        inputs, names = read_folder(folder, models[0].shape, min(map(_affordable, models)))
    subjects = []
    steps = FAMILIES + 1
    with progress.task("oracle", steps * len(models)) as advance:
        for number, model in enumerate(models):
            start = steps * number + 1
            own_inputs = made_inputs(model) if folder is None else inputs
            subject = _subject(model, own_inputs, names, progress if model.path in called else None)
            oracle = subject.oracle
            advance(start)
            if oracle.by != f"{EVALUATOR} in {FLOAT64}":
                progress.say(f"{model.name}: {EVALUATOR} cannot run it; judged by {oracle.by}")
            families = _families(model, subject, partial(_advanced, advance, start), ties=model.path in called)
            against = OWN_GRAPH if oracle.exact else RUNTIMES
            Expected(subject.inputs, oracle, families, names, against).save(scratch / f"{number}.npz")
            subjects.append(subject)
        return [] if folder is None else [_agreement(subjects[0], other) for other in subjects[1:]]


def _say_how_long(model: ExternalModel, truth: GraphTruth, inputs: np.ndarray, progress: Progress) -> None:
    """Tell how long a costly model takes, by one batch of its own."""
    extent, size = model.cost.extent(), model.signature.batch or 1
    began = time.process_time()
    truth.oracle(inputs[:size])
    middle = time.process_time()
    truth.logits(inputs[:size])
    oracle, runtime = (middle - began) / size, (time.process_time() - middle) / size
    known, each = words(oracle * (len(inputs) + FAMILIES * extent.each)), words(runtime * extent.rows)
    progress.say(
        f"{model.name}: about {known} of the processor until it is known what it must answer, and {each} for "
        "each runtime"
    )


def _families(
    model: ExternalModel, subject: Subject, advance: Callable[[int], None], *, ties: bool
) -> list[MadeFamily]:
    """Made inputs with the truth about them; runtimes among each other know none."""
    if subject.truth is None or not subject.oracle.exact:
        return []
    each = model.cost.extent().each
    return made_families(subject.truth, subject.inputs, subject.oracle, each, advance, ties=ties)


def _advanced(advance: Callable[[int], None], start: int, done: int) -> None:
    advance(start + done)


def _subject(model: ExternalModel, inputs: np.ndarray, names: Sequence[str], progress: Progress | None) -> Subject:
    """A model with its own graph as the truth; with progress, who waits is told for how long."""
    truth = GraphTruth(model.path, OWN_GRAPH, model.signature)
    if progress is not None and model.cost.multiply_adds * len(inputs) > QUICK:
        _say_how_long(model, truth, inputs, progress)
    return Subject(model.name, model.path, inputs, truth.comparable(inputs), {}, truth, names)


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
    return min(max(AFFORDABLE // max(model.cost.multiply_adds, 1), FEWEST), MOST)


def _agreement(first: Subject, other: Subject) -> ParityRow:
    """The agreement of one model with another, both in float64."""
    row = compare(first.oracle, other.oracle.logits, model=other.name, runtime=FLOAT64, batches=(len(other.inputs),))
    named: dict[str, object] = {"against": first.name, "worst_name": first.names[row.worst_input]}
    batches = {one.signature.batch for one in (first, other)} - {None}
    if not row.passed and first.truth is not None and len(batches) < 2:  # else no batch fits both
        looked = bisection.around(first.inputs, row.worst_input, next(iter(batches), None))
        named["first_node"] = bisection.first_against(other.onnx, looked, first.truth.values(looked))
    return row.model_copy(update=named)


def made_inputs(model: ExternalModel, count: int | None = None) -> np.ndarray:
    """Seeded uniform noise in [0, 1) of the shape that the model's input has, float32 (count, *shape).

    Without a count as many as its cost allows. A model of a larger fixed batch gets one of those. Raises: ModelError
    when another length is not fixed.
    """
    rows = max(count or model.cost.extent().inputs, model.signature.batch or 0)
    return np.random.default_rng(0).random((rows, *model.shape), dtype=np.float32)
