"""export: teacher and student to ONNX; the bottleneck fused and factored, both proved, the faster one ships."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from kdeploy import onnx_export, runtimes
from kdeploy.errors import ModelError
from kdeploy.models import shallow, teachers
from kdeploy.models.adapters import signature
from kdeploy.models.deep import DeepCnn
from kdeploy.models.ensemble import Rule
from kdeploy.models.mlp import Mlp
from kdeploy.models.weights import load_weights
from kdeploy.progress import Progress
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import Bottleneck, ExportRecord, Fold, Form, Format, FormName, Model
from kdeploy.records.teacher import TeacherRecord
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.stages.export import ensemble, forms
from kdeploy.stages.export.describe import describe
from kdeploy.stages.export.forms import Choice, Pair
from kdeploy.stages.export.refactored import Rank, Reduced, reduce
from kdeploy.transforms.fold_average_pool import fold_average_pool
from kdeploy.transforms.fold_batch_norm import fold_batch_norm
from kdeploy.transforms.fold_bias import fold_bias
from kdeploy.transforms.fold_normalisation import fold_normalisation
from kdeploy.transforms.fuse import fuse
from kdeploy.transforms.fuse_module import fuse_module
from kdeploy.transforms.outcome import Outcome
from kdeploy.transforms.rank import refactor

STUDENT, TEACHER, BASELINE = "student.onnx", "teacher.onnx", "baseline.onnx"


@dataclass(frozen=True)
class Teacher:
    """What is exported as `teacher.onnx`: one teacher, or several as one.

    Args:
        record: of the teacher, or of the ensemble.
        members: the folder and the record of each; of the one teacher when there is one.
    """

    record: TeacherRecord
    members: Sequence[tuple[Path, TeacherRecord]]


@dataclass(frozen=True)
class Inputs:
    """Real inputs, preprocessed for each model, for proofs, timing and conversion: float32 (samples, *shape)."""

    student: np.ndarray
    teacher: np.ndarray


def run(
    folder: Path,
    *,
    teacher: Teacher,
    distilled: tuple[Path, DistillRecord],
    inputs: Inputs,
    bottleneck: Choice,
    target: str,
    formats: Sequence[str],
    progress: Progress,
) -> ExportRecord:
    """Write every model into `folder`.

    Args:
        distilled: the folder and the record of the stage before.
        target: the runtime on which `auto` times the forms.
        formats: names of runtimes to convert for; `onnx` is always there.
    Raises: ParityError when a form is not the trained net; MissingError for a runtime that is not here.
    """
    folds: list[Fold] = []
    teacher_model = _teacher(folder, teacher, folds)
    source, record = distilled
    name, trained = record.preprocessing.input, _load(source / record.chosen.file, record.student)
    made, shipped = _student(folder, trained, name, inputs.student, bottleneck, target, folds, progress)
    shutil.copyfile(folder / f"student.{shipped.shipped}.onnx", folder / STUDENT)
    return ExportRecord(
        student=describe(folder / STUDENT, record.preprocessing.model_shape),
        teacher=teacher_model,
        baseline=_baseline(folder, source, record, shipped),
        forms=made,
        folds=tuple(folds),
        formats=_formats(folder, formats, {"student": inputs.student, "teacher": inputs.teacher}),
        bottleneck=shipped,
        preprocessing=record.preprocessing,
        teacher_preprocessing=teacher.record.preprocessing,
        class_names=teacher.record.class_names,
        output=onnx_export.OUTPUT,
    )


def _student(
    folder: Path,
    trained: shallow.ShallowStudent,
    name: str,
    inputs: np.ndarray,
    bottleneck: Choice,
    target: str,
    folds: list[Fold],
    progress: Progress,
) -> tuple[tuple[Form, ...], Bottleneck]:
    """Every form of the student, and which one ships."""
    factored = _folded(trained.chain(), inputs.shape[1:], "student", folds)
    fusing = fuse(factored)
    folds.append(Fold(model="student", name="bottleneck", done=fusing.done, reason=fusing.reason))
    pair = _pair(factored)
    chains: dict[FormName, nn.Sequential] = {"factored" if pair else "plain": factored}
    if fusing.done:
        chains["fused"] = fusing.layers.eval()
    made = forms.export(folder, chains, trained, name, inputs, target)
    if isinstance(bottleneck, Rank):
        reduced = reduce(trained.chain(), bottleneck, inputs)
        if isinstance(reduced, Reduced):
            folded = _folded(reduced.layers, inputs.shape[1:], "student", [])
            made.append(forms.export_refactored(folder, reduced, folded, name, inputs, target))
        return tuple(made), forms.choose_rank(bottleneck, reduced, pair)
    measured = None
    if bottleneck == "auto" and fusing.done:
        factored_file, fused_file = (folder / f"student.{form}.onnx" for form in ("factored", "fused"))
        place = folder / "bottleneck"
        measured = forms.time(forms.comparison(place, factored_file, fused_file, inputs, target), place, progress)
    return forms.with_latencies(made, measured), forms.choose(bottleneck, pair, fusing, measured)


def _teacher(folder: Path, teacher: Teacher, folds: list[Fold]) -> Model:
    path, spec, combination = folder / TEACHER, teacher.record.preprocessing, teacher.record.ensemble
    if combination is None:
        _member(path, *teacher.members[0], folds)
        return describe(path, spec.model_shape)
    with tempfile.TemporaryDirectory() as scratch:
        parts = [Path(scratch, f"{number}.onnx") for number in range(len(teacher.members))]
        for part, (source, record) in zip(parts, teacher.members, strict=True):
            _member(part, source, record, folds)
        rule = Rule(combination.mean, combination.weights)
        ensemble.merge(parts, path, input_name=spec.input, shape=spec.model_shape, rule=rule)
    return describe(path, spec.model_shape)


def _member(path: Path, source: Path, record: TeacherRecord, folds: list[Fold]) -> None:
    """A teacher of ours goes out with its folds, a user's with its pairs fused, an ONNX teacher as the file it was."""
    if record.origin == "onnx":
        shutil.copyfile(source / record.file, path)
        return
    module = teachers.module(source, teachers.spec_of(record))
    deployed: nn.Module
    if isinstance(module, DeepCnn | Mlp | shallow.ShallowStudent):
        deployed = _folded(module.chain(), record.preprocessing.model_shape, "teacher", folds)
    else:
        deployed, done, reason = fuse_module(module)
        folds.append(Fold(model="teacher", name="bottleneck", done=done, reason=reason))
    onnx_export.write(deployed, path, input_name=record.preprocessing.input, shape=record.preprocessing.model_shape)


def _load(path: Path, arguments: Mapping[str, Any]) -> shallow.ShallowStudent:
    module = shallow.seeded(0, **arguments)
    load_weights(module, path)
    module.eval()
    return module


def _folded(chain: nn.Sequential, shape: Sequence[int], model: str, folds: list[Fold]) -> nn.Sequential:
    """The chain with every fold that can be made; what was made or refused is added to `folds`."""
    made: tuple[tuple[str, Callable[[nn.Sequential], Outcome]], ...] = (
        ("batch norm", fold_batch_norm),
        ("average pooling", partial(fold_average_pool, shape=shape)),
        ("input normalisation", fold_normalisation),
        ("bias", fold_bias),
    )
    for name, fold in made:
        chain, done, reason = fold(chain.eval())
        folds.append(Fold(model=model, name=name, done=done, reason=reason))
    return chain.eval()


def _pair(chain: nn.Sequential) -> Pair | None:
    """The widths of the first two consecutive linear layers."""
    for first, second in itertools.pairwise(chain):
        if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
            return Pair(first.in_features, first.out_features, second.out_features)
    return None


def _baseline(folder: Path, source: Path, record: DistillRecord, shipped: Bottleneck) -> Model | None:
    """The baseline of the exported seed in the form that ships, for its size; no bundle takes it along."""
    net = next((net for net in record.baselines if net.seed == record.chosen_seed), None)
    if net is None:
        return None
    chain = _load(source / net.file, record.student).chain()
    if shipped.shipped == "refactored":
        assert shipped.width is not None
        chain = refactor(chain, shipped.width).layers
    shape = record.preprocessing.model_shape
    chain = _folded(chain, shape, "baseline", [])
    chain = fuse(chain).layers.eval() if shipped.shipped == "fused" else chain
    onnx_export.write(chain, folder / BASELINE, input_name=record.preprocessing.input, shape=shape)
    return describe(folder / BASELINE, shape)


def _formats(folder: Path, names: Sequence[str], examples: Mapping[str, np.ndarray]) -> tuple[Format, ...]:
    """Convert student and teacher for every runtime named; the ONNX file itself is the format `onnx`."""
    models: tuple[Literal["student", "teacher"], ...] = ("student", "teacher")
    return tuple(_converted(folder, name, model, examples[model]) for name in names for model in models)


def _converted(folder: Path, name: str, model: Literal["student", "teacher"], example: np.ndarray) -> Format:
    path = folder / f"{model}.onnx"
    if name == "onnx":
        return Format(model=model, runtime=name, file=path.name, bytes=path.stat().st_size)
    target = folder / "formats" / name / model
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        source = Source(path, None, {signature(path).input: example[:3]}, None)
        artefact = runtimes.find(name).convert(source, target, precision="fp32")
    except Refused as exc:
        raise ModelError(
            f"format {name}", f"must take the {model}", got=exc.reason, advice=f"Remove {name} from export.formats."
        ) from exc
    size = sum(part.stat().st_size for part in target.rglob("*") if part.is_file())
    return Format(model=model, runtime=name, file=artefact.relative_to(folder).as_posix(), bytes=size)
