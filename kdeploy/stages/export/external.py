"""The export of an external model: batch norm folded, linear pairs fused, every file proved against the one that came.

    model.onnx --batch norm--> factored --pairs--> fused,    oracle: the graph that came, in float64

Where nothing could be rewritten the file ships as it came, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs import export
from kdeploy.models.signature import signature
from kdeploy.parity import apart
from kdeploy.parity.apart import Job
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.expected import Expected
from kdeploy.parity.truth import onnx_oracle
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BenchRecord
from kdeploy.records.export import Bottleneck, Fold, Form, FormName, FusedPair, ModelExportRecord
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.stages.export import forms
from kdeploy.stages.export.describe import describe
from kdeploy.stages.export.forms import LinearPair
from kdeploy.system.files import commit_bytes
from kdeploy.system.progress import Progress
from kdeploy.transforms.fold_batch_norm_nodes import fold_batch_norm_nodes
from kdeploy.transforms.fuse_nodes import NO_PAIR, GraphOutcome, fuse_nodes

BottleneckForm = Literal["auto", "fuse", "factored"]

MODEL = "model.onnx"
PROVED_ON = (REFERENCE, "onnxruntime", "openvino")


def run(
    folder: Path, path: Path, *, inputs: np.ndarray, bottleneck: BottleneckForm, target: str, progress: Progress
) -> ModelExportRecord:
    """Write every form and `model.onnx`, the one that ships, into `folder`.

    Args:
        path: of a classifier that the inspector has admitted.
        inputs: float32 (inputs, *shape), for the proof and for timing.
        target: the runtime on which `auto` times the forms.
    Raises: ParityError when a form is not the model; ModelError when the target does not take it; ResourceError when
        `fuse` was asked for and is too large.
    """
    folded, fused, folds = _rewritten(path)
    files = _written(folder, path, folded, fused)
    exported, left_out = _proved(path, files, inputs, target, progress)
    measured = None
    if bottleneck == "auto" and fused.done:
        request = forms.comparison(
            folder / "bottleneck", files["factored"], files["fused"], inputs, target, signature(path).batch or 1
        )
        measured = forms.time(request, folder / "bottleneck", progress)
    shipped = _choose(bottleneck, fused, measured)
    copy_model(files[shipped.shipped], folder, runtime="export")
    return ModelExportRecord(
        source=describe(path, inputs.shape[1:]),
        model=describe(folder / MODEL, inputs.shape[1:]),
        forms=forms.with_latencies(exported, measured),
        folds=folds,
        pairs=tuple(FusedPair(**pair._asdict()) for pair in fused.pairs),
        bottleneck=shipped,
        inputs=len(inputs),
        unavailable=left_out,
    )


def _rewritten(path: Path) -> tuple[GraphOutcome, GraphOutcome, tuple[Fold, ...]]:
    model = onnx.load(path)
    size = sum(tensor.ByteSize() for tensor in model.graph.initializer)
    if size > export.LIMIT_BYTES:
        reason = f"its weights take {size} bytes, and a file that is rewritten holds at most {export.LIMIT_BYTES}"
        folded = fused = GraphOutcome(model, False, reason)
    else:
        folded = fold_batch_norm_nodes(model)
        fused = fuse_nodes(folded.model)
    outcomes = (("batch norm", folded), ("bottleneck", fused))
    folds = tuple(
        Fold(model="model", name=name, done=outcome.done, reason=outcome.reason, applies=outcome.applies)
        for name, outcome in outcomes
    )
    return folded, fused, folds


def _written(folder: Path, path: Path, folded: GraphOutcome, fused: GraphOutcome) -> dict[FormName, Path]:
    """The file of each form; that of a model in which nothing was folded is the one that came."""
    name: FormName = "plain" if fused.reason == NO_PAIR else "factored"
    files: dict[FormName, Path] = {name: path}
    for form, outcome in ((name, folded), ("fused", fused)):
        if outcome.done:
            files[form] = folder / f"model.{form}.onnx"
            commit_bytes(files[form], outcome.model.SerializeToString(deterministic=True))
    return files


def _proved(
    path: Path, files: Mapping[FormName, Path], inputs: np.ndarray, target: str, progress: Progress
) -> tuple[list[Form], tuple[Unavailable, ...]]:
    """The forms with their parity, and on which runtimes one has none: only the target must take each."""
    exported: list[Form] = []
    left_out: dict[str, str] = {}
    names = dict.fromkeys((*PROVED_ON, target))
    with scratch_folder() as scratch:
        Expected(inputs, onnx_oracle(path, inputs)).save(expected := scratch / "expected.npz")
        for form, file in files.items():
            jobs = [Job(file, f"model.{form}", name, expected, whole=False) for name in names]
            outcomes = dict(zip(names, map(apart.outcome, jobs), strict=True))
            left_out |= {f"model.{form} on {name}": one.reason for name, one in outcomes.items() if one.reason}
            if outcomes[target].row is None:
                raise _refused(path, target, str(outcomes[target].reason))
            rows = tuple(one.row for one in outcomes.values() if one.row is not None)
            raise_if_failed(rows)
            exported.append(Form(form=form, model=describe(file, inputs.shape[1:]), latency_ns=None, parity=rows))
    for where, reason in left_out.items():
        progress.say(f"{where}: left out: {reason}")
    return exported, tuple(Unavailable(field=where, reason=reason) for where, reason in left_out.items())


def _refused(path: Path, target: str, reason: str) -> ModelError:
    return ModelError(
        f"runtime '{target}'", f"must take {path.name}", got=reason, advice="Choose another with --target."
    )


def _choose(choice: BottleneckForm, fused: GraphOutcome, measured: BenchRecord | None) -> Bottleneck:
    """Which form ships, and why; a model in which nothing can be fused has no choice."""
    pairs = [LinearPair(pair.inputs, pair.width, pair.outputs) for pair in fused.pairs]
    if not fused.done and choice == "fuse" and fused.reason != NO_PAIR:
        raise ResourceError("--bottleneck", "cannot be fuse", got=fused.reason, advice="Ship the factored form.")
    if not fused.done:
        return _bottleneck("plain" if fused.reason == NO_PAIR else "factored", fused.reason, pairs)
    if measured is None:
        return _bottleneck("fused" if choice == "fuse" else "factored", f"asked for (--bottleneck {choice})", pairs)
    form, times = forms.faster(measured)
    return _bottleneck(form, ", ".join(map(forms.break_even_words, pairs)), pairs, times)


def _bottleneck(form: FormName, reason: str, pairs: list[LinearPair], timed: str = "") -> Bottleneck:
    """The choice, with the widths of the pair where there is only one."""
    return forms.bottleneck(form, reason, pairs[0] if len(pairs) == 1 else None, timed)
