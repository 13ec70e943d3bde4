"""export: teacher and student to ONNX; the bottleneck fused and factored, both proved, the faster one ships."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import nn

from kdeploy.graphs import export
from kdeploy.models import shallow, teachers
from kdeploy.models.deep import DeepCnn
from kdeploy.models.ensemble import Ensemble, Rule
from kdeploy.models.mlp import Mlp
from kdeploy.models.weights import load_weights
from kdeploy.models.whitened import WhitenedCnn
from kdeploy.parity.compare import thinned
from kdeploy.parity.oracle import module_oracle, onnx_oracle
from kdeploy.recipe.formats import Asked
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import Bottleneck, ExportRecord, Fold, Form, FormName, Model
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord
from kdeploy.stages.export import ensemble, formats, forms
from kdeploy.stages.export.describe import describe, torch_flops
from kdeploy.stages.export.forms import Choice, Pair
from kdeploy.stages.export.low_rank import Rank, Reduced, reduce
from kdeploy.system.progress import Progress
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
    """Real inputs, preprocessed for each model: float32 (samples, *shape).

    Args:
        student, teacher: held out, for proofs, timing and conversion.
        student_transfer, teacher_transfer: some of the transfer set, which formats are calibrated on or compared on.
    """

    student: np.ndarray
    teacher: np.ndarray
    student_transfer: np.ndarray
    teacher_transfer: np.ndarray


class Nets(NamedTuple):
    """A net as it was trained, and as it was exported: with its folds."""

    trained: nn.Module
    deployed: nn.Module


class Exported(NamedTuple):
    """A model on disk; `nets` is None when an ONNX file is all, or part, of where it came from."""

    model: Model
    nets: Nets | None


def run(
    folder: Path,
    *,
    teacher: Teacher,
    distilled: tuple[Path, DistillRecord],
    inputs: Inputs,
    bottleneck: Choice,
    target: str,
    asked: Sequence[Asked],
    progress: Progress,
) -> ExportRecord:
    """Write every model into `folder`.

    Args:
        distilled: the folder and the record of the stage before.
        target: the runtime on which `auto` times the forms.
        asked: the formats; the ONNX files are always there.
    Raises: ParityError when a form or a format is not the trained net; MissingError for a runtime that is not here.
    """
    folds: list[Fold] = []
    exported_teacher = teacher_file(folder, teacher, folds)
    source, record = distilled
    name, trained = record.preprocessing.input, _load(source / record.chosen.file, record.student)
    made, shipped, nets = student_forms(folder, trained, name, inputs.student, bottleneck, target, folds, progress)
    shutil.copyfile(folder / f"student.{shipped.shipped}.onnx", folder / STUDENT)
    student = _exported(folder / STUDENT, record.preprocessing.model_shape, nets)
    subjects = [
        _subject("student", folder / STUDENT, student, inputs.student, inputs.student_transfer),
        _subject("teacher", folder / TEACHER, exported_teacher, inputs.teacher, inputs.teacher_transfer),
    ]
    return ExportRecord(
        student=student.model,
        teacher=exported_teacher.model,
        baseline=_baseline(folder, source, record, shipped),
        forms=made,
        folds=tuple(folds),
        formats=formats.convert(folder, asked, subjects, progress),
        bottleneck=shipped,
        preprocessing=record.preprocessing,
        teacher_preprocessing=teacher.record.preprocessing,
        class_names=teacher.record.class_names,
        output=export.OUTPUT,
    )


def student_forms(
    folder: Path,
    trained: shallow.ShallowStudent,
    name: str,
    inputs: np.ndarray,
    bottleneck: Choice,
    target: str,
    folds: list[Fold],
    progress: Progress,
) -> tuple[tuple[Form, ...], Bottleneck, Nets]:
    """Every form of the student, which one ships, and the nets of that: a re-factored one is trained no more."""
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
            return tuple(made), forms.choose_rank(bottleneck, reduced, pair), Nets(reduced.layers, folded)
        shipped = forms.choose_rank(bottleneck, reduced, pair)
        return tuple(made), shipped, Nets(trained, chains[shipped.shipped])
    measured = None
    if bottleneck == "auto" and fusing.done:
        factored_file, fused_file = (folder / f"student.{form}.onnx" for form in ("factored", "fused"))
        place = folder / "bottleneck"
        measured = forms.time(forms.comparison(place, factored_file, fused_file, inputs, target), place, progress)
    shipped = forms.choose(bottleneck, pair, fusing, measured)
    return forms.with_latencies(made, measured), shipped, Nets(trained, chains[shipped.shipped])


def teacher_file(folder: Path, teacher: Teacher, folds: list[Fold]) -> Exported:
    """`teacher.onnx` of a teacher that is made; what was folded or refused is added to `folds`."""
    path, spec, combination = folder / TEACHER, teacher.record.preprocessing, teacher.record.ensemble
    if combination is None:
        nets = _member(path, *teacher.members[0], folds)
        return _exported(path, spec.model_shape, nets)
    with tempfile.TemporaryDirectory() as scratch:
        parts = [Path(scratch, f"{number}.onnx") for number in range(len(teacher.members))]
        members = [_member(part, *member, folds) for part, member in zip(parts, teacher.members, strict=True)]
        rule = Rule(combination.mean, combination.weights)
        ensemble.merge(parts, path, input_name=spec.input, shape=spec.model_shape, rule=rule)
    modules = [nets for nets in members if nets is not None]
    if len(modules) < len(members):
        return _exported(path, spec.model_shape, None)
    trained = Ensemble([nets.trained for nets in modules], rule).eval()
    deployed = Ensemble([nets.deployed for nets in modules], rule).eval()
    return _exported(path, spec.model_shape, Nets(trained, deployed))


def _exported(path: Path, shape: Sequence[int], nets: Nets | None) -> Exported:
    """A file described, with torch's count beside ours where its module is at hand."""
    model = describe(path, shape)
    if nets is None:
        return Exported(model, None)
    return Exported(model.model_copy(update={"torch_flops": torch_flops(nets.deployed, shape)}), nets)


def _member(path: Path, source: Path, record: TeacherRecord, folds: list[Fold]) -> Nets | None:
    """A teacher of ours goes out with its folds, a user's with its pairs fused, an ONNX teacher as the file it was."""
    if record.origin == "onnx":
        shutil.copyfile(source / record.file, path)
        return None
    return module_file(path, teachers.module(source, teachers.spec_of(record)), record.preprocessing, folds)


def module_file(path: Path, module: nn.Module, preprocessing: Preprocessing, folds: list[Fold]) -> Nets:
    """A teacher that is a torch module as `path`; what was folded or refused is added to `folds`."""
    deployed: nn.Module
    if isinstance(module, DeepCnn | WhitenedCnn | Mlp | shallow.ShallowStudent):
        deployed = _folded(module.chain(), preprocessing.model_shape, "teacher", folds)
    else:
        deployed, done, reason = fuse_module(module)
        folds.append(Fold(model="teacher", name="bottleneck", done=done, reason=reason))
    export.write(deployed, path, input_name=preprocessing.input, shape=preprocessing.model_shape)
    return Nets(module, deployed)


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
    export.write(chain, folder / BASELINE, input_name=record.preprocessing.input, shape=shape)
    return describe(folder / BASELINE, shape)


def _subject(
    name: Literal["student", "teacher"], path: Path, exported: Exported, held_out: np.ndarray, transfer: np.ndarray
) -> formats.Subject:
    """A model with what its formats are compared on; the teacher, which no bundle takes along, on fewer inputs."""
    calibration, compared = formats.divided(held_out, transfer)
    if name == "teacher":
        compared = thinned(compared, forms.PROOF_INPUTS)
    if exported.nets is None:
        return formats.Subject(name, path, None, onnx_oracle(path, compared), compared, calibration)
    oracle = module_oracle(exported.nets.trained, compared)
    return formats.Subject(name, path, exported.nets.deployed, oracle, compared, calibration)
