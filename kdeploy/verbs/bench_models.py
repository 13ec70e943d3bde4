"""Two external models against each other: ONNX files, bundles, or a file of one runtime.

What they read is what an ONNX file among them says. They are run on inputs out of a folder, or on noise of the right
shape; where every input lies in the folder of its class, accuracies stand next to the times. An ONNX file or a bundle
is inspected or checked before anything of it is read; a file of a runtime is that runtime's to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdeploy.bundles.verify import models_of
from kdeploy.errors import InputError, ModelError
from kdeploy.outputs.classes import CLASSES
from kdeploy.pipeline.store import Store
from kdeploy.records.bench import BenchRecord, Quality
from kdeploy.runtimes import artefacts, installed
from kdeploy.runtimes.scratch import scratch_folder, standing_for
from kdeploy.samples.input_folder import read_folder
from kdeploy.stages import bench
from kdeploy.system import host
from kdeploy.system.files import hash_file
from kdeploy.system.fingerprint import fingerprint
from kdeploy.system.progress import Progress
from kdeploy.timing.request import Settings
from kdeploy.verbs import external_work
from kdeploy.verbs.external_models import MOST, ExternalModel, admitted, check_alike, made_inputs, sides_of


@dataclass(frozen=True)
class TimedModel:
    """A model to be timed: an ONNX file with what was made of it, or a file of one runtime that came without one."""

    path: Path
    onnx: ExternalModel | None
    artefacts: Mapping[str, Path]  # by runtime


def model_at(path: Path, names: Sequence[str]) -> TimedModel:
    """The model at a path: an ONNX file, a bundle's folder, or a file of the one runtime that was named.

    Raises: what the inspector raises, ModelError for a file that is not a classifier, what is wrong with a bundle,
        InputError for anything else.
    """
    if path.suffix == ".onnx":
        [model] = admitted([path])
        return TimedModel(path, model, {"onnxruntime": path})
    if path.is_dir():
        onnx_file, formats = models_of(path)
        [model] = admitted([onnx_file])
        return TimedModel(path, model, {"onnxruntime": onnx_file} | formats)
    if len(names) != 1 or not path.is_file():
        must = "must be an ONNX file, the folder of a bundle, or a file of the runtime that --runtime names"
        got = "no such file" if not path.exists() else f"runtimes: {', '.join(names) or 'none'}"
        raise InputError(str(path), must, got=got)
    return TimedModel(path, None, {names[0]: path})


def bench_models(  # noqa: PLR0913 - two models, how they are timed, and where it is kept; all but the models are named
    baseline: Path,
    candidate: Path,
    *,
    names: Sequence[str] | None,
    sizes: Sequence[tuple[int, int]],
    settings: Settings,
    store: Store,
    command: tuple[str, ...],
    progress: Progress,
    folder: Path | None = None,
) -> tuple[Path, BenchRecord]:
    """Time two classifiers against each other; a repeated call on the same host measures again.

    Args:
        names: those of runtimes; None for all that are here and take both models.
        sizes: pairs of threads and batch.
        folder: the one with real inputs; where each lies in the folder of its class, accuracies are compared as well.
    Returns: the folder with the record and the raw samples, and the record.
    Raises: what `model_at` raises, ModelError for a file that is not a classifier, DataError for unfit inputs.
    """
    bench.say_what_disturbs(settings, sizes, progress)
    runtimes = list(names) if names else installed.deployable()
    pair = {"baseline": model_at(baseline, names or ()), "candidate": model_at(candidate, names or ())}
    graph = _graph_of(pair.values())
    tests = _test_inputs(pair.values(), graph, folder)
    what = {"settings": settings.model_dump(mode="json"), "names": runtimes, "sizes": list(sizes)}
    reads = {role: _digest(one) for role, one in pair.items()} | {"inputs": tests.digest}
    key = fingerprint(BenchRecord.SCHEMA, what | {"host": host.host_id()}, reads)
    with store.work("bench", key) as work, ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        for role, one in pair.items():
            stack.enter_context(standing_for(scratch / role, str(one.path)))
        first, second = (
            _contender(one, name, graph, tests, Path(scratch, role), runtimes, progress, wanted=bool(names))
            for name, (role, one) in zip(called(baseline, candidate), pair.items(), strict=True)
        )
        record = bench.run(
            work,
            baseline=first,
            candidate=second,
            names=names or [name for name in runtimes if name in first.artefacts and name in second.artefacts],
            sizes=sizes,
            settings=settings,
            command=command,
            progress=progress,
        )
        return store.commit("bench", key, record, replaces=()), record


class TestInputs(NamedTuple):
    """The inputs on which two models are compared.

    Attributes:
        inputs: float32 (inputs, *shape).
        labels: class numbers, int64 (inputs,); None where the inputs have none.
    """

    inputs: np.ndarray
    labels: np.ndarray | None

    @property
    def digest(self) -> str:
        labels = b"" if self.labels is None else self.labels.tobytes()
        return hashlib.sha256(np.ascontiguousarray(self.inputs).tobytes() + labels).hexdigest()


def _graph_of(pair: Collection[TimedModel]) -> ExternalModel:
    """The ONNX file that says what both read. Raises: InputError when neither has one."""
    graphs = [one.onnx for one in pair if one.onnx is not None]
    if not graphs:
        names = " and ".join(one.path.name for one in pair)
        must = "must be at least one ONNX file or bundle, which says what both models read"
        raise InputError("bench", must, got=names)
    return graphs[0]


def _test_inputs(pair: Collection[TimedModel], graph: ExternalModel, folder: Path | None) -> TestInputs:
    if folder is None:
        return TestInputs(made_inputs(graph), None)
    check_alike([one.onnx for one in pair if one.onnx is not None])
    named = read_folder(folder, graph.shape, MOST)
    return TestInputs(named.inputs, labels_of(named.names, graph.signature.classes))


def labels_of(names: Sequence[str], classes: int) -> np.ndarray | None:
    """The class of each input, int64 (inputs,); None unless each lies in the folder of its class.

    The folders' names, in order, are the classes.
    """
    tops = [Path(name).parts[0] if len(Path(name).parts) > 1 else "" for name in names]
    folders = sorted(set(tops))
    if "" in folders or len(folders) != classes:
        return None
    return np.array([folders.index(top) for top in tops], np.int64)


def _digest(one: TimedModel) -> str:
    """A hash of all files of a model; the manifest of a bundle vouches for the rest of it."""
    path = one.path / "manifest.json" if one.path.is_dir() else one.path
    return hash_file(path) + (sides_of(path) if path.suffix == ".onnx" else artefacts.digest(path))


def called(baseline: Path, candidate: Path) -> tuple[str, str]:
    """The names of the two models for people: their files', with their roles where these are the same."""
    if baseline.name != candidate.name:
        return baseline.name, candidate.name
    return f"baseline ({baseline.name})", f"candidate ({candidate.name})"


def _contender(
    one: TimedModel,
    name: str,
    graph: ExternalModel,
    tests: TestInputs,
    folder: Path,
    names: Sequence[str],
    progress: Progress,
    *,
    wanted: bool,
) -> bench.Contender:
    """A model with its files for every runtime, as the benchmark takes it.

    Args:
        names: the runtimes to convert for; one that refuses is left out, unless it is wanted by its name.
    """
    own = one.onnx or graph
    # two external files may differ in what they read, unless they were given the same inputs
    inputs = tests.inputs if tests.inputs.shape[1:] == own.shape else made_inputs(own)
    targets = [name for name in names if name not in one.artefacts]
    conversions: Mapping[str, Path] = {}
    if one.onnx is not None and targets:
        conversions = external_work.convert(one.onnx.path, inputs, folder, targets, wanted=wanted, progress=progress)
    return bench.Contender(
        name=name,
        onnx=own.path,
        inputs=inputs,
        expected=None,
        quality=_quality(one, own, tests),
        torch_flops=None,
        artefacts={**one.artefacts, **conversions},
        counts=one.onnx is not None,
    )


def _quality(one: TimedModel, own: ExternalModel, tests: TestInputs) -> Quality | None:
    """Accuracy through the first runtime that has the model."""
    if tests.labels is None:
        return None
    runtime, artefact = next(iter(one.artefacts.items()))
    logits = external_work.logits(runtime, artefact, own.signature.input, tests.inputs)
    if logits.ndim != 2 or logits.shape[1] != own.signature.classes:
        must = f"must give logits of shape (inputs, {own.signature.classes}), as {own.name} does"
        raise ModelError(str(artefact), must, got=f"shape {logits.shape}")
    labels = tests.labels[: len(logits)]
    return Quality(metric="top1", value=CLASSES.quality(logits, labels), n=len(labels), dataset_sha256=tests.digest)
