"""export: teacher and student to ONNX; the bottleneck fused and factored, both proved, the faster one ships."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import nn

from kdeploy.evaluation.precision_cost import Labeled
from kdeploy.graphs import export
from kdeploy.models import students, teachers
from kdeploy.models.deep import DeepCnn
from kdeploy.models.ensemble import Ensemble, Rule
from kdeploy.models.mlp import Mlp
from kdeploy.models.whitened import WhitenedCnn
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.parity.compare import thinned
from kdeploy.parity.module_truth import module_oracle
from kdeploy.parity.truth import onnx_oracle
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import Bottleneck, ExportRecord, Fold, Form, FormName, Model
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.stages.export import ensemble, formats, forms, precision, with_preprocessing
from kdeploy.stages.export.describe import describe, torch_flops
from kdeploy.stages.export.forms import Choice, LinearPair
from kdeploy.stages.export.low_rank import Rank, Reduced, reduce
from kdeploy.system.progress import Progress
from kdeploy.transforms.fold_average_pool import fold_average_pool
from kdeploy.transforms.fold_batch_norm import fold_batch_norm
from kdeploy.transforms.fold_bias import fold_bias
from kdeploy.transforms.fold_normalisation import fold_normalisation
from kdeploy.transforms.fuse import fuse
from kdeploy.transforms.fuse_bottleneck import fuse_bottleneck
from kdeploy.transforms.fuse_module import ModuleOutcome, fuse_module
from kdeploy.transforms.fuse_nodes import GraphOutcome
from kdeploy.transforms.outcome import Outcome
from kdeploy.transforms.preprocess import Layout
from kdeploy.transforms.rank import lower_rank

STUDENT, TEACHER, BASELINE = "student.onnx", "teacher.onnx", "baseline.onnx"


@dataclass(frozen=True)
class ExportedTeacher:
    """What is exported as `teacher.onnx`: one teacher, or several as one.

    Args:
        record: of the teacher, or of the ensemble.
        members: the folder and the record of each; of the one teacher when there is one.
    """

    record: TeacherRecord
    members: Sequence[tuple[Path, TeacherRecord]]


@dataclass(frozen=True)
class ExportInputs:
    """Real inputs, preprocessed for each model: float32 (samples, *shape).

    Args:
        student, teacher: held out, with their labels, for proofs, timing, conversion and what a precision costs.
        student_transfer, teacher_transfer: some of the transfer set, which formats are calibrated on or compared on.
        canonical: the student's held-out samples as they come, before its preprocessing.
    """

    student: Labeled
    teacher: Labeled
    student_transfer: np.ndarray
    teacher_transfer: np.ndarray
    canonical: np.ndarray


@dataclass(frozen=True)
class ExportOptions:
    """What may be chosen about an export.

    Args:
        bottleneck: which form ships.
        target: the runtime on which `auto` times the forms.
        preprocess: graph also writes `student.raw.onnx`.
        layout: of the images that it takes.
        max_int8_drop: percentage points that int8 may cost the student.
    """

    bottleneck: Choice = "auto"
    target: str = "onnxruntime"
    preprocess: Literal["spec", "graph"] = "spec"
    layout: Layout = "nchw"
    max_int8_drop: float = 1.0


class Networks(NamedTuple):
    """A network as it was trained, and as it was exported: with its folds."""

    trained: nn.Module
    deployed: nn.Module


class Exported(NamedTuple):
    """A model on disk, and what was folded or refused; `networks` is None when an ONNX file is all, or part, of it."""

    model: Model
    networks: Networks | None
    folds: tuple[Fold, ...] = ()


class StudentForms(NamedTuple):
    """Every form of the student, which one ships, the networks of that, and what was folded or refused on the way."""

    forms: tuple[Form, ...]
    bottleneck: Bottleneck
    networks: Networks
    folds: tuple[Fold, ...]


def run(
    folder: Path,
    *,
    teacher: ExportedTeacher,
    distilled: tuple[Path, DistillRecord],
    inputs: ExportInputs,
    options: ExportOptions,
    requests: Sequence[FormatRequest],
    progress: Progress,
) -> ExportRecord:
    """Write every model into `folder`, and say what each lower precision costs.

    Args:
        distilled: the folder and the record of the stage before.
        requests: the formats; the ONNX files are always there.
    Raises: ParityError when a form or a format is not the trained network; MissingError for a runtime that is not here.
    """
    written = _written(folder, teacher, distilled, inputs, options, requests, progress)
    record = precision.judge(
        folder,
        written,
        held_out={"student": inputs.student, "teacher": inputs.teacher},
        transfer=inputs.student_transfer,
        max_int8_drop=options.max_int8_drop,
    )
    if options.preprocess == "spec":
        return record
    return with_preprocessing.add(
        folder, record, canonical=inputs.canonical, layout=options.layout, target=options.target
    )


def _written(
    folder: Path,
    teacher: ExportedTeacher,
    distilled: tuple[Path, DistillRecord],
    inputs: ExportInputs,
    options: ExportOptions,
    requests: Sequence[FormatRequest],
    progress: Progress,
) -> ExportRecord:
    """Teacher, student and baseline as ONNX, and in every format."""
    exported_teacher = teacher_file(folder, teacher)
    source, record = distilled
    trained = students.load(source / record.chosen.file, record.student)
    student_export = student_forms(
        folder, trained, record.preprocessing.input, inputs.student.inputs, options, progress, inputs.student.kind
    )
    shutil.copyfile(folder / f"student.{student_export.bottleneck.shipped}.onnx", folder / STUDENT)
    student = _exported(folder / STUDENT, record.preprocessing.model_shape, student_export.networks)
    subjects = [
        _subject("student", folder / STUDENT, student, inputs.student, inputs.student_transfer),
        _subject("teacher", folder / TEACHER, exported_teacher, inputs.teacher, inputs.teacher_transfer),
    ]
    return ExportRecord(
        student=student.model,
        teacher=exported_teacher.model,
        baseline=_baseline(folder, source, record, student_export.bottleneck),
        forms=student_export.forms,
        folds=(*exported_teacher.folds, *student_export.folds),
        formats=formats.convert(folder, requests, subjects, progress),
        bottleneck=student_export.bottleneck,
        preprocessing=record.preprocessing,
        teacher_preprocessing=teacher.record.preprocessing,
        class_names=teacher.record.class_names,
        output=export.OUTPUT,
        outputs=inputs.student.kind.name,
    )


def student_forms(
    folder: Path,
    trained: nn.Module,
    name: str,
    inputs: np.ndarray,
    options: ExportOptions,
    progress: Progress,
    kind: Kind = CLASSES,
) -> StudentForms:
    """Every form of the student, and which one ships; one of a lower rank is trained no more.

    Args:
        name: of the input.
        inputs: preprocessed, float32 (samples, *shape).
        kind: of the outputs.
    """
    if not isinstance(trained, students.OurStudent):
        return _forms_of_a_graph(folder, trained, name, inputs, options, progress, kind)
    factored, folds = _folded(trained.chain(), inputs.shape[1:], "student")
    fusing = fuse(factored)
    folds = (*folds, Fold(model="student", name="bottleneck", **_ended(fusing)))
    pair, target = _pair(factored), options.target
    chains: dict[FormName, nn.Sequential] = {"factored" if pair else "plain": factored}
    if fusing.done:
        chains["fused"] = fusing.layers.eval()
    exported = forms.export(folder, chains, trained, name, inputs, target, kind=kind)
    if isinstance(options.bottleneck, Rank):
        reduced = reduce(trained.chain(), options.bottleneck, inputs, kind)
        shipped = forms.choose_rank(options.bottleneck, reduced, pair)
        if isinstance(reduced, Reduced):
            folded, _ = _folded(reduced.layers, inputs.shape[1:], "student")
            exported.append(forms.export_low_rank(folder, reduced, folded, name, inputs, target, kind))
            return StudentForms(tuple(exported), shipped, Networks(reduced.layers, folded), folds)
        return StudentForms(tuple(exported), shipped, Networks(trained, chains[shipped.shipped]), folds)
    shipped, timed = _chosen(folder, options, pair, fusing, exported, inputs, progress)
    return StudentForms(timed, shipped, Networks(trained, chains[shipped.shipped]), folds)


def _chosen(
    folder: Path,
    options: ExportOptions,
    pair: LinearPair | None,
    fusing: Outcome | ModuleOutcome,
    exported: Sequence[Form],
    inputs: np.ndarray,
    progress: Progress,
) -> tuple[Bottleneck, tuple[Form, ...]]:
    """Which of the forms that are in the folder ships, and the forms with their latencies where that was timed."""
    assert not isinstance(options.bottleneck, Rank)
    measured = None
    if options.bottleneck == "auto" and fusing.done:
        factored_file, fused_file = (folder / f"student.{form}.onnx" for form in ("factored", "fused"))
        place, target = folder / "bottleneck", options.target
        measured = forms.time(forms.comparison(place, factored_file, fused_file, inputs, target), place, progress)
    return forms.choose(options.bottleneck, pair, fusing, measured), forms.with_latencies(exported, measured)


def _forms_of_a_graph(
    folder: Path,
    trained: nn.Module,
    name: str,
    inputs: np.ndarray,
    options: ExportOptions,
    progress: Progress,
    kind: Kind,
) -> StudentForms:
    """The forms of a student that is no chain of layers: what folds, folds on its graph."""
    fusing, widths = fuse_bottleneck(trained)
    pair = LinearPair(*widths) if widths else None
    modules: dict[FormName, nn.Module] = {"factored" if pair else "plain": trained}
    if fusing.done:
        modules["fused"] = fusing.module
    exported, folded = forms.export_graphs(folder, modules, trained, name, inputs, options.target, kind)
    shipped, timed = _chosen(folder, options, pair, fusing, exported, inputs, progress)
    folds = (
        Fold(model="student", name="batch norm", **_ended(folded)),
        Fold(model="student", name="bottleneck", **_ended(fusing)),
    )
    return StudentForms(timed, shipped, Networks(trained, modules[shipped.shipped]), folds)


def teacher_file(folder: Path, teacher: ExportedTeacher) -> Exported:
    """Write `teacher.onnx`: one teacher with its folds, or several as one graph."""
    path, spec, combination = folder / TEACHER, teacher.record.preprocessing, teacher.record.ensemble
    if combination is None:
        networks, folds = _member(path, *teacher.members[0])
        return _exported(path, spec.model_shape, networks)._replace(folds=folds)
    with scratch_folder() as scratch:
        parts = [Path(scratch, f"{number}.onnx") for number in range(len(teacher.members))]
        members = [_member(part, *member) for part, member in zip(parts, teacher.members, strict=True)]
        rule = Rule(combination.mean, combination.weights)
        ensemble.merge(parts, path, input_name=spec.input, shape=spec.model_shape, rule=rule)
    return _exported(path, spec.model_shape, _combined([networks for networks, _ in members], rule))._replace(
        folds=tuple(fold for _, folds in members for fold in folds)
    )


def _combined(members: Sequence[Networks | None], rule: Rule) -> Networks | None:
    """The networks of an ensemble; None when an ONNX file is one of them."""
    modules = [networks for networks in members if networks is not None]
    if len(modules) < len(members):
        return None
    trained, deployed = ([getattr(networks, kind) for networks in modules] for kind in Networks._fields)
    return Networks(Ensemble(trained, rule).eval(), Ensemble(deployed, rule).eval())


def _exported(path: Path, shape: Sequence[int], networks: Networks | None) -> Exported:
    """A file described, with torch's own count as well where there is a module."""
    model = describe(path, shape)
    if networks is None:
        return Exported(model, None)
    return Exported(model.model_copy(update={"torch_flops": torch_flops(networks.deployed, shape)}), networks)


def _member(path: Path, source: Path, record: TeacherRecord) -> tuple[Networks | None, tuple[Fold, ...]]:
    """A built-in teacher goes out with its folds, a user's with its pairs fused, an ONNX teacher as the file it was."""
    if record.origin == "onnx":
        shutil.copyfile(source / record.file, path)
        return None, ()
    return module_file(path, teachers.module(source, teachers.spec_of(record)), record.preprocessing)


def module_file(path: Path, module: nn.Module, preprocessing: Preprocessing) -> tuple[Networks, tuple[Fold, ...]]:
    """Write a teacher that is a torch module to `path`; returns its networks, and what was folded or refused."""
    deployed: nn.Module
    if isinstance(module, DeepCnn | WhitenedCnn | Mlp | students.OurStudent):
        deployed, folds = _folded(module.chain(), preprocessing.model_shape, "teacher")
    else:
        fusing = fuse_module(module)
        deployed = fusing.module
        folds = (Fold(model="teacher", name="bottleneck", **_ended(fusing)),)
    export.write(deployed, path, input_name=preprocessing.input, shape=preprocessing.model_shape)
    return Networks(module, deployed), folds


def _ended(outcome: Outcome | ModuleOutcome | GraphOutcome) -> dict[str, Any]:
    """How a transformation ended, as fields of a `Fold`."""
    return {"done": outcome.done, "reason": outcome.reason, "applies": outcome.applies}


def _folded(chain: nn.Sequential, shape: Sequence[int], model: str) -> tuple[nn.Sequential, tuple[Fold, ...]]:
    """The chain with every fold that can be made, and what was made or refused."""
    steps: tuple[tuple[str, Callable[[nn.Sequential], Outcome]], ...] = (
        ("batch norm", fold_batch_norm),
        ("average pooling", partial(fold_average_pool, shape=shape)),
        ("input normalisation", fold_normalisation),
        ("bias", fold_bias),
    )
    folds = []
    for name, fold in steps:
        outcome = fold(chain.eval())
        chain = outcome.layers
        folds.append(Fold(model=model, name=name, **_ended(outcome)))
    return chain.eval(), tuple(folds)


def _pair(chain: nn.Sequential) -> LinearPair | None:
    """The widths of the first two consecutive linear layers."""
    for first, second in itertools.pairwise(chain):
        if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
            return LinearPair(first.in_features, first.out_features, second.out_features)
    return None


def _baseline(folder: Path, source: Path, record: DistillRecord, shipped: Bottleneck) -> Model | None:
    """The baseline of the exported seed in the form that ships, for its size; no bundle takes it along."""
    network = next((network for network in record.baselines if network.seed == record.chosen_seed), None)
    if network is None:
        return None
    trained, shape = students.load(source / network.file, record.student), record.preprocessing.model_shape
    path, name = folder / BASELINE, record.preprocessing.input
    if isinstance(trained, students.OurStudent):
        export.write(_as_shipped(trained.chain(), shape, shipped), path, input_name=name, shape=shape)
    else:
        module = fuse_bottleneck(trained).outcome.module if shipped.shipped == "fused" else trained
        forms.write_folded(module, path, name, shape)
    return describe(path, shape)


def _as_shipped(chain: nn.Sequential, shape: Sequence[int], shipped: Bottleneck) -> nn.Sequential:
    """A chain in the form that ships."""
    if shipped.shipped == "low-rank":
        assert shipped.width is not None
        chain = lower_rank(chain, shipped.width).layers
    chain, _ = _folded(chain, shape, "baseline")
    return fuse(chain).layers.eval() if shipped.shipped == "fused" else chain


def _subject(
    name: Literal["student", "teacher"], path: Path, exported: Exported, held_out: Labeled, transfer: np.ndarray
) -> formats.ConvertedModel:
    """A model with what its formats are compared on; the teacher, which no bundle takes along, on fewer inputs."""
    calibration, compared = formats.divided(held_out.inputs, transfer)
    if name == "teacher":
        compared = thinned(compared, forms.PROOF_INPUTS)
    if exported.networks is None:
        graph = onnx_oracle(path, compared)._replace(kind=held_out.kind)
        return formats.ConvertedModel(name, path, None, graph, compared, calibration)
    oracle = module_oracle(exported.networks.trained, compared, graph=path)._replace(kind=held_out.kind)
    return formats.ConvertedModel(name, path, exported.networks.deployed, oracle, compared, calibration)
