"""Models made elsewhere: `.onnx` files that no recipe knows, rewritten and verified on inputs of their shapes.

Nothing of a file is read before the inspector has admitted it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from kdeploy.errors import InputError, ModelError
from kdeploy.graphs.inspector.admit import admit
from kdeploy.models.classifier import signature
from kdeploy.parity import bisection
from kdeploy.parity.compare import compare
from kdeploy.pipeline.fingerprints import fingerprint
from kdeploy.pipeline.store import RECORD, Store
from kdeploy.records.count import CountRecord
from kdeploy.records.export import ModelExportRecord
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.samples.input_folder import read_folder
from kdeploy.stages import bench, verify
from kdeploy.stages.export import external
from kdeploy.stages.export.describe import describe
from kdeploy.stages.export.external import Asked
from kdeploy.system import host
from kdeploy.system.files import commit_bytes, hash_file
from kdeploy.system.progress import Progress

INPUTS = 64
ORACLE = verify.REFERENCE  # numpy, and nobody deploys it
FEWEST, MOST = 16, 1000  # inputs out of a folder
AFFORDABLE = 20_000_000_000  # multiply-adds over all of them
FLOAT64 = "float64"


def count_model(path: Path, batch: int = 1) -> CountRecord:
    """What one call of an ONNX classifier costs, layer by layer; nothing is run.

    Args:
        batch: for a model that does not fix its own.
    Raises: what the inspector raises, and ModelError for a file that is not a classifier.
    """
    admit(path)
    shape = (signature(path).batch or batch, *shape_of(path))
    name = signature(path).input
    return CountRecord(model=path.name, input_shapes={name: shape}, compute=bench.counted(path, shape))


def verify_models(paths: Sequence[Path], progress: Progress, folder: Path | None = None) -> VerifyRecord:
    """Compare each model through every runtime that is here and takes it with its own graph in float64.

    Args:
        folder: of real inputs, on which the models are compared with the first of them as well.
    Raises: what the inspector raises; ModelError for a file that is not a classifier, or that reads or answers
        something else than the first; DataError for a folder without inputs for it.
    """
    for path in paths:
        admit(path)
    names: Sequence[str] = ()
    if folder is not None:
        check_alike(paths)
        inputs, names = read_folder(folder, shape_of(paths[0]), min(map(_count, paths)))
    with tempfile.TemporaryDirectory() as scratch:
        subjects = []
        for number, path in enumerate(paths):
            read = made_inputs(path) if folder is None else inputs
            made = converted(path, read, Path(scratch, str(number)), installed.available(), progress)
            truth = verify.truth_of_graph(path, "its own graph in float64")
            subjects.append(verify.Subject(path.name, path, read, truth.oracle(read), made, truth, names))
        record = verify.compared(subjects=subjects, names=[], progress=progress)
    if folder is None:
        return record
    return record.model_copy(update={"rows": (*record.rows, *(_agrees(subjects[0], one) for one in subjects[1:]))})


def converted(
    path: Path, inputs: np.ndarray, folder: Path, names: Iterable[str], progress: Progress
) -> dict[str, Path]:
    """The model for each runtime; one that refuses it, as those do that start from a torch module, is left out."""
    made = {}
    source = Source(path, None, {signature(path).input: inputs[:3]}, None)
    for name in names:
        (folder / name).mkdir(parents=True)
        try:
            made[name] = installed.find(name).convert(source, folder / name, precision="fp32")
        except Refused as refusal:
            progress.say(f"{path.name}: left out on {name}: {refusal.reason}")
    return made


def export_model(
    path: Path, *, bottleneck: Asked, target: str, store: Store, progress: Progress
) -> tuple[Path, ModelExportRecord]:
    """Rewrite an ONNX classifier where that is exact, prove it, and keep the faster form; done work is reused.

    Args:
        target: the runtime on which `auto` times the forms.
    Returns: the folder with `model.onnx`, and the record.
    Raises: what the inspector raises, ModelError for a file that is not a classifier, ParityError.
    """
    admit(path)
    installed.find(target)
    what: dict[str, Any] = {"bottleneck": bottleneck, "target": target}
    if bottleneck == "auto":
        what |= {"host": host.host_id(), "versions": host.library_versions(("onnxruntime", "openvino", "numpy"))}
    print_ = fingerprint(ModelExportRecord.SCHEMA, what, {"model": hash_file(path), "sides": sides_of(path)})
    if not store.has("model", print_):
        with store.work("model", print_) as folder:
            inputs = made_inputs(path)
            record = external.run(folder, path, inputs=inputs, bottleneck=bottleneck, target=target, progress=progress)
            store.commit("model", print_, record)
    return store.folder("model", print_), store.read("model", print_, ModelExportRecord)


def shipped(folder: Path, out: Path | None, source: Path) -> Path:
    """The path of the model that ships; with `out` it and its record are copied to that folder of the user's.

    Raises: InputError when that would write over the model that it was made from.
    """
    if out is None:
        return folder / external.MODEL
    if (out / external.MODEL).exists() and source.samefile(out / external.MODEL):
        raise InputError("--out", "must be another folder than the model's", got=str(out))
    out.mkdir(parents=True, exist_ok=True)
    commit_bytes(out / RECORD, (folder / RECORD).read_bytes())
    return copy_model(folder / external.MODEL, out, runtime="export")


def sides_of(path: Path) -> str:
    """The content of the files that hold the weights of a model, as one hash."""
    graph = onnx.load(path, load_external_data=False).graph
    stored = (ExternalDataInfo(tensor) for tensor in graph.initializer if uses_external_data(tensor))
    return ",".join(hash_file(path.parent / name) for name in sorted({info.location for info in stored}))


def check_alike(paths: Sequence[Path]) -> None:
    """Raises: ModelError when two models cannot be compared with each other."""
    first = paths[0]
    for other in paths[1:]:
        for what, wanted, found in (
            ("inputs of the shape", shape_of(first), shape_of(other)),
            ("a number of classes of", signature(first).classes, signature(other).classes),
        ):
            if found != wanted:
                raise ModelError(str(other), f"must have {what} {wanted}, as {first.name} has", got=str(found))


def _count(path: Path) -> int:
    """As many inputs as float64 in NumPy takes in a minute or so."""
    cost = describe(path, shape_of(path)).multiply_adds
    return min(max(AFFORDABLE // max(cost, 1), FEWEST), MOST)


def _agrees(first: verify.Subject, other: verify.Subject) -> ParityRow:
    """Does one model answer as another does? Both in float64."""
    row = compare(first.oracle, other.oracle.logits, model=other.name, runtime=FLOAT64, batches=(len(other.inputs),))
    named: dict[str, object] = {"against": first.name, "worst_name": first.names[row.worst_input]}
    batches = {signature(one.onnx).batch for one in (first, other)} - {None}
    if not row.passed and first.truth is not None and len(batches) < 2:  # else no batch fits both
        looked = bisection.around(first.inputs, row.worst_input, next(iter(batches), None))
        named["first_node"] = bisection.first_against(other.onnx, looked, first.truth.values(looked))
    return row.model_copy(update=named)


def made_inputs(path: Path, count: int = INPUTS) -> np.ndarray:
    """Seeded uniform noise in [0, 1) of the shape that the model's input has, float32 (count, *shape).

    A model of a larger fixed batch gets one of those. Raises: ModelError when another length is not fixed.
    """
    rows = max(count, signature(path).batch or 0)
    return np.random.default_rng(0).random((rows, *shape_of(path)), dtype=np.float32)


def shape_of(path: Path) -> tuple[int, ...]:
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
