"""Models made elsewhere: `.onnx` files that no recipe knows, timed and verified with inputs of their own shapes.

Nothing of a file is read before the inspector has admitted it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from kdeploy import machine, parity, runtimes
from kdeploy.errors import ModelError
from kdeploy.inspector import admit
from kdeploy.models.adapters import signature
from kdeploy.progress import Progress
from kdeploy.records.bench import BenchRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.stages import bench, verify
from kdeploy.stages.export.describe import describe
from kdeploy.store import Store, fingerprint, hash_file
from kdeploy.timing.request import Settings

INPUTS = 64


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


def verify_models(paths: Sequence[Path], progress: Progress) -> VerifyRecord:
    """Compare each model through every runtime that is here and takes it with its own graph in float64.

    Raises: what the inspector raises, and ModelError for a file that is not a classifier.
    """
    subjects = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, path in enumerate(paths):
            admit(path)
            inputs = made_inputs(path)
            made = _converted(path, inputs, Path(scratch, str(number)), progress)
            subjects.append(verify.Subject(path.name, path, inputs, parity.onnx_oracle(path, inputs), made))
        return verify.run(subjects=subjects, names=[], progress=progress)


def _converted(path: Path, inputs: np.ndarray, folder: Path, progress: Progress) -> dict[str, Path]:
    """The model for every runtime; one that refuses it, as those do that start from a torch module, is left out."""
    made = {}
    source = Source(path, None, {signature(path).input: inputs[:3]}, None)
    for name, runtime in runtimes.available().items():
        (folder / name).mkdir(parents=True)
        try:
            made[name] = runtime.convert(source, folder / name, precision="fp32")
        except Refused as refusal:
            progress.say(f"{path.name}: not compared on {name}: {refusal.reason}")
    return made


def made_inputs(path: Path, count: int = INPUTS) -> np.ndarray:
    """Seeded uniform noise in [0, 1) of the shape that the model's input has, float32 (count, *shape).

    Raises: ModelError when a length other than the batch is not fixed.
    """
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
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


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
