"""Models made elsewhere: `.onnx` files that no recipe knows, timed and verified with inputs of their own shapes.

Nothing of a file is read before the inspector has admitted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from kdeploy import bisection, machine, parity, runtimes
from kdeploy.errors import ModelError
from kdeploy.inspector import admit
from kdeploy.models.adapters import signature
from kdeploy.progress import Progress
from kdeploy.records.bench import BenchRecord
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.samples.input_folder import read_folder
from kdeploy.stages import bench, verify
from kdeploy.stages.export.describe import describe
from kdeploy.store import Store, fingerprint, hash_file
from kdeploy.timing.request import Settings

INPUTS = 64
FEWEST, MOST = 16, 1000  # inputs out of a folder
AFFORDABLE = 20_000_000_000  # multiply-adds over all of them
FLOAT64 = "float64"


def bench_models(
    baseline: Path,
    candidate: Path,
    *,
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    settings: Settings,
    store: Store,
    command: tuple[str, ...],
    progress: Progress,
) -> BenchRecord:
    """Time two ONNX classifiers against each other; a repeated call on the same host measures again.

    Args:
        names: of runtimes.
        sizes: pairs of threads and batch.
    Raises: what the inspector raises, and ModelError for a file that is not such a model.
    """
    what = {"settings": settings.model_dump(mode="json"), "names": list(names), "sizes": list(sizes)}
    for path in (baseline, candidate):
        admit(path)
    reads = {"baseline": hash_file(baseline), "candidate": hash_file(candidate)}
    print_ = fingerprint(BenchRecord.SCHEMA, what | {"host": machine.host_id()}, reads)
    with store.work("bench", print_) as folder:
        record = bench.run(
            folder,
            baseline=_contender(baseline, "baseline"),
            candidate=_contender(candidate, "candidate"),
            names=names,
            sizes=sizes,
            settings=settings,
            command=command,
            progress=progress,
        )
        store.commit("bench", print_, record, replace=True)
    return record


def verify_models(paths: Sequence[Path], progress: Progress, folder: Path | None = None) -> VerifyRecord:
    """Compare each model through every runtime that is here with its own graph in float64.

    Args:
        folder: of real inputs, on which the models are compared with the first of them as well.
    Raises: what the inspector raises; ModelError for a file that is not a classifier, or that reads or answers
        something else than the first; DataError for a folder without inputs for it.
    """
    for path in paths:
        admit(path)
    if folder is None:
        subjects = [_subject(path, made_inputs(path), ()) for path in paths]
    else:
        _check_alike(paths)
        inputs, names = read_folder(folder, _shape(paths[0]), min(map(_count, paths)))
        subjects = [_subject(path, inputs, names) for path in paths]
    record = verify.run(subjects=subjects, names=sorted(runtimes.available()), progress=progress)
    if folder is None:
        return record
    return record.model_copy(update={"rows": (*record.rows, *(_agrees(subjects[0], one) for one in subjects[1:]))})


def _subject(path: Path, inputs: np.ndarray, names: Sequence[str]) -> verify.Subject:
    truth = verify.truth_of_graph(path, "its own graph in float64")
    return verify.Subject(path.name, path, inputs, truth.oracle(inputs), {"onnxruntime": path}, truth, names)


def _check_alike(paths: Sequence[Path]) -> None:
    """Raises: ModelError when two models cannot be compared with each other."""
    first = paths[0]
    for other in paths[1:]:
        for what, wanted, found in (
            ("inputs of the shape", _shape(first), _shape(other)),
            ("a number of classes of", signature(first).classes, signature(other).classes),
        ):
            if found != wanted:
                raise ModelError(str(other), f"must have {what} {wanted}, as {first.name} has", got=str(found))


def _count(path: Path) -> int:
    """As many inputs as float64 in NumPy takes in a minute or so."""
    cost = describe(path, _shape(path)).multiply_adds
    return min(max(AFFORDABLE // max(cost, 1), FEWEST), MOST)


def _agrees(first: verify.Subject, other: verify.Subject) -> ParityRow:
    """Does one model answer as another does? Both in float64."""
    row = parity.compare(
        first.oracle, other.oracle.logits, model=other.name, runtime=FLOAT64, batches=(len(other.inputs),)
    )
    named: dict[str, object] = {"against": first.name, "worst_name": first.names[row.worst_input]}
    if not row.passed and first.truth is not None:
        looked = bisection.around(first.inputs, row.worst_input)
        named["first_node"] = bisection.first_against(other.onnx, looked, first.truth.values(looked))
    return row.model_copy(update=named)


def made_inputs(path: Path, count: int = INPUTS) -> np.ndarray:
    """Seeded uniform noise in [0, 1) of the shape that the model's input has, float32 (count, *shape).

    Raises: ModelError when a length other than the batch is not fixed.
    """
    return np.random.default_rng(0).random((count, *_shape(path)), dtype=np.float32)


def _shape(path: Path) -> tuple[int, ...]:
    """Of one input."""
    name = signature(path).input
    graph = onnx.load(path, load_external_data=False).graph
    value = next(value for value in graph.input if value.name == name)
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
    if not shape or min(shape) < 1:
        raise ModelError(
            str(path),
            "must have an input of which only the batch is dynamic",
            got=f"input {name!r} of shape (batch, {', '.join(map(str, shape))})",
            advice="Export it with a fixed shape.",
        )
    return tuple(shape)


def _contender(path: Path, role: str) -> bench.Contender:
    inputs = made_inputs(path)
    return bench.Contender(
        name=f"{role} ({path.name})",
        onnx=path,
        inputs=inputs,
        expected=None,
        quality=None,
        described=describe(path, inputs.shape[1:]),
        artefacts={"onnxruntime": path},
    )
