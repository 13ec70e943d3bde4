"""teacher: train a built-in teacher on the labelled part, or take in an external one; measure it on the test part."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.evaluation.doubts import of_teacher
from kdeploy.evaluation.logits import BATCH, logits_of
from kdeploy.formatting.places import without_places
from kdeploy.graphs.columns import choose_columns, columns_for
from kdeploy.graphs.counting.count import count
from kdeploy.graphs.inspector.admit import admit
from kdeploy.graphs.logits import take_logits
from kdeploy.losses.targets import target_loss
from kdeploy.models import pretrained, teachers, user_network
from kdeploy.models.answers import logits_from, must_be_logits, must_repeat
from kdeploy.models.classifier import Classifier, ModuleClassifier
from kdeploy.models.signature import signature
from kdeploy.models.units import units_of
from kdeploy.models.weights import PICKLES, load_weights, save_weights
from kdeploy.models.whitened import WhitenedCnn
from kdeploy.models.whitening import SAMPLES
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.seal import again
from kdeploy.records.software import ComputedOn
from kdeploy.records.teacher import TeacherRecord, Training
from kdeploy.runtimes.live_nodes import leave_out_dead
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views
from kdeploy.system.done import read_done, write_done
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.system.user_code import calling
from kdeploy.training import checkpoints
from kdeploy.training.loop import BatchPlan, device_named, software, train
from kdeploy.training.options import USUAL, TrainingOptions
from kdeploy.training.schedules import Schedule
from kdeploy.transforms.plain import make_plain


class Length(NamedTuple):
    """How long a training is: so many steps, or so many epochs where their number is set."""

    steps: int
    epochs: int | None = None

    def of(self, plan: BatchPlan) -> int:
        """The number of steps when batches are cut by this plan."""
        return self.steps if self.epochs is None else self.epochs * plan.steps_per_epoch


_NAME_THEM = "Name its classes in teacher.classes, in the order of its logits, and those of the data are taken."


@dataclass(frozen=True)
class TrainedTeacher:
    """A built-in teacher, to be trained on the labelled part.

    Args:
        seed: of its initial weights, its batches and its dropout.
        network: arguments of the network besides those that the data give.
    """

    model: str
    length: Length
    seed: int
    options: TrainingOptions = USUAL
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExternalTeacher:
    """An external teacher: an ONNX file, code that builds a torch module, a run's student, a package's network."""

    origin: Literal["onnx", "torch", "run", "timm", "torchvision", "huggingface"]
    name: str
    path: (
        Path | None
    )  # of the ONNX file, or of the module's weights; a package's network without has those it came with
    class_names: tuple[str, ...] | None = None  # that it was trained on, where that is known


def run(
    folder: Path,
    *,
    teacher: TrainedTeacher | ExternalTeacher,
    preprocessing: Preprocessing,
    samples: SampleSet,
    views: Views,
    device: str,
    progress: Progress,
) -> TeacherRecord:
    """Make the teacher and measure it.

    Args:
        preprocessing: what the teacher expects.
        views: of the labelled part in training; each epoch is a new view. Mixup is left out: it has no hard labels.
    """
    if isinstance(teacher, ExternalTeacher):
        _must_know(teacher, preprocessing, samples)
    feed = Feed(samples.inputs[preprocessing.input], views.unmixed, preprocessing)
    where = device_named(device)
    training, assumed = None, tuple[str, ...]()
    if isinstance(teacher, TrainedTeacher):
        spec = teachers.TeacherSpec("model", teacher.model)
        training = _train(folder / spec.file, teacher, feed, samples, where, progress)
    else:
        spec = teachers.TeacherSpec(teacher.origin, teacher.name)
        assumed = _take_in(folder, teacher, samples, progress)
    classifier = teachers.classifier(folder, spec, device=where, precision="fp32")
    if isinstance(teacher, ExternalTeacher):
        rebuilt = teachers.classifier(folder, spec, device=where, precision="fp32")
        _must_answer(classifier, rebuilt, feed.plain(samples.parts["test"][:BATCH]), teacher.name)
    logits = {part: logits_of(classifier, feed, samples.parts[part]) for part in ("test", "held_out")}
    if isinstance(teacher, ExternalTeacher):
        must_be_logits(logits["test"], teacher.name, samples.outputs)
    class_names = _class_names(logits["test"].shape[1], samples, teacher)
    for part, part_logits in logits.items():
        np.save(folder / f"{part}_logits.npy", part_logits)
    file = folder / spec.file
    record = TeacherRecord(
        origin=spec.origin,
        name=without_places(spec.name),  # a folder may stand for a Hugging Face repository
        file=spec.file,
        sha256=hash_file(file),
        preprocessing=preprocessing,
        class_names=class_names,
        parameters=_parameters(folder, spec, preprocessing.model_shape),
        **_qualities(samples, logits),
        training=training,
        software=_software(where, teacher),
        assumed=assumed,
    )
    if (doubt := of_teacher(record)) is not None:
        progress.say(f"  WARNING: {doubt}")
    return record


def _qualities(samples: SampleSet, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How good outputs are on the test and the held-out part, as fields of a record."""
    kind, targets = samples.kind, {part: samples.labels[samples.parts[part]] for part in outputs}
    return {
        "test_accuracy": kind.quality(outputs["test"], targets["test"]),
        "held_out_accuracy": kind.quality(outputs["held_out"], targets["held_out"]),
        "others": kind.others(outputs["test"], targets["test"]),
        "outputs": samples.outputs,
    }


def _software(device: torch.device, teacher: TrainedTeacher | ExternalTeacher) -> ComputedOn:
    if isinstance(teacher, TrainedTeacher):
        return software(device, teacher.options.precision, teacher.options.threads)
    return software(device, "fp32")


def _train(
    target: Path, teacher: TrainedTeacher, feed: Feed, samples: SampleSet, device: torch.device, progress: Progress
) -> Training:
    """Train on the labelled part in its views; weights that are there already are a finished training."""
    done = target.with_suffix(".training.json")
    if (finished := read_done(done, Training, again("teacher"))) is not None:
        return finished
    mean, std = statistics(feed.canonical, samples.training, feed.preprocessing.scale)
    shape, classes = feed.preprocessing.model_shape, len(samples.class_names)
    arguments = {"shape": shape, "classes": classes, **teacher.network, "mean": mean, "std": std}
    module = teachers.seeded(teacher.model, teacher.seed, arguments)
    labeled = samples.parts["labeled"]
    if isinstance(module, WhitenedCnn):
        module.whiten(feed.plain(labeled[:SAMPLES]))
    targets = samples.labels[labeled]
    units = units_of([targets]) if samples.kind.terms.standardizes else None
    labels = torch.from_numpy(targets if units is None else units.standard(targets))
    plan, checkpoint = BatchPlan(len(labeled), teacher.options.batch, teacher.seed), target.with_suffix(".checkpoint")

    def loss(network: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        batch = feed.view(labeled[rows.numpy()], epoch).to(device)
        return target_loss(samples.outputs, network(batch).float(), labels[rows].to(device))

    training = train(
        module,
        loss,
        Schedule(teacher.length.of(plan), teacher.options, teacher.seed),
        device=device,
        checkpoint=checkpoint,
        progress=progress,
        description="teacher",
        samples=lambda step: labeled[plan.at(step)[1].numpy()],
    )
    if units is not None:
        units.fold_into(module.logits)
    save_weights(module, target, arguments)
    write_done(done, training, [target])
    checkpoints.remove(checkpoint)
    return training


def _take_in(folder: Path, teacher: ExternalTeacher, samples: SampleSet, progress: Progress) -> tuple[str, ...]:
    """Keep the file of an external teacher, so that the run does not depend on it any more; what was assumed of it."""
    target, path = folder / teachers.TeacherSpec(teacher.origin, teacher.name).file, teacher.path
    if teacher.origin == "onnx" and path is not None:
        _inspect(path)
        return _keep_logits(path, target, teacher, samples, progress)
    is_safe = path is not None and path.suffix not in PICKLES
    if teacher.origin == "run" or (teacher.origin == "torch" and is_safe):
        assert path is not None
        shutil.copyfile(path, target)
        return ()
    network, arguments = _build(teacher, len(samples.class_names) or None)
    with calling(teacher.name, "must be a network whose weights can be read and kept"):
        if path is not None:
            # Hugging Face's weights know nothing of the wrapper that makes them logits
            load_weights(network.net if isinstance(network, pretrained.LogitsOf) else network, path)
        save_weights(network, target, arguments)
    return ()


def _keep_logits(
    path: Path, target: Path, teacher: ExternalTeacher, samples: SampleSet, progress: Progress
) -> tuple[str, ...]:
    """Copy an ONNX teacher, plain, without a softmax at its end, and with the logits of the data's classes alone."""
    model, name, classes = onnx.load(path), teacher.name, samples.class_names
    had_dead = leave_out_dead(model.graph) > 0
    left_out, assumed = take_logits(model, name, samples.outputs), list[str]()
    changed = make_plain(model) or had_dead
    if left_out:
        assumed.append(f"{name} ends in {left_out}, and what goes into that are its logits")
    width = signature(path).classes
    columns = columns_for(model, width, teacher.class_names, classes, name)
    if columns is not None:
        choose_columns(model, columns)
        assumed.append(f"of the {width} classes of {name} the data's {len(classes)} are taken, by their names")
    if assumed or changed:
        onnx.save(model, target)
    else:
        shutil.copyfile(path, target)
    for line in assumed:
        progress.say(f"  assumed: {line}")
    return tuple(assumed)


def _build(teacher: ExternalTeacher, classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network, and what is kept to build it again; a package's network that gets weights has the data's classes."""
    if teacher.origin in ("timm", "torchvision", "huggingface"):
        return pretrained.build(teacher.origin, teacher.name, None if teacher.path is None else classes)
    return user_network.build(teacher.name, {}), {}


def _inspect(path: Path) -> None:
    """Raises: what the inspector raises, and ModelError for a teacher of which one file is not all."""
    inspection = admit(path)
    if inspection.side_files:
        raise ModelError(
            str(path),
            "must hold its weights itself, to be kept with the run",
            got=f"{len(inspection.side_files)} side file(s)",
            advice="Save it as one file: onnx.save(onnx.load(path), other).",
        )


def _must_answer(classifier: Classifier, again: Classifier, batch: Tensor, name: str) -> None:
    """Ask a teacher from outside twice, and as it is built again, about a batch of preprocessed inputs (rows, *shape).

    Raises: MeasuredError when it answers differently, ModelError when a module of it cannot answer in float64.
    """
    must_repeat(classifier.logits, classifier.logits, batch, name)
    must_repeat(classifier.logits, again.logits, batch, name)
    if isinstance(again, ModuleClassifier):
        with calling(name, "must answer in float64 too, which its exports are compared with"), torch.inference_mode():
            exact = again.module.cpu().double()(batch[:2].double())
        logits_from(exact, len(batch[:2]), name)


def _must_know(teacher: ExternalTeacher, preprocessing: Preprocessing, samples: SampleSet) -> None:
    """Raises: ModelError for a student of an earlier run on other data; other teachers say nothing about theirs."""
    if teacher.origin == "run" and samples.class_names and teacher.class_names not in (None, samples.class_names):
        raise ModelError(
            teacher.name,
            f"must have been trained on the classes of this data, {', '.join(samples.class_names)}",
            got=", ".join(teacher.class_names or ()),
        )
    name, inputs = preprocessing.input, samples.inputs.get(preprocessing.input)
    if inputs is None or inputs.shape[1:] != preprocessing.shape:
        shapes = ", ".join(f"{other} {array.shape[1:]}" for other, array in samples.inputs.items())
        got = f"{name} {preprocessing.shape}"
        raise ModelError(teacher.name, f"must read an input that the data has: {shapes}", got=got)


def _class_names(width: int, samples: SampleSet, teacher: TrainedTeacher | ExternalTeacher) -> tuple[str, ...]:
    """The names of the classes of logits of a width: the data's; where those name none, the teacher's or numbers.

    Raises: ModelError when the data have another number of classes.
    """
    known = teacher.class_names if isinstance(teacher, ExternalTeacher) else None
    names = samples.class_names or known or tuple(map(str, range(width)))
    if width != len(names):
        one = "value" if samples.outputs == "values" else "logit"
        chosen = isinstance(teacher, ExternalTeacher) and teacher.origin == "onnx" and width > len(names)
        raise ModelError(
            teacher.model if isinstance(teacher, TrainedTeacher) else teacher.name,
            f"must give one {one} for each of the data's {len(names)} {samples.outputs}",
            got=f"{width} {one}s",
            advice=_NAME_THEM if chosen else "",
        )
    return names


def _parameters(folder: Path, spec: teachers.TeacherSpec, shape: tuple[int, ...]) -> int:
    if spec.origin == "onnx":
        ports = signature(folder / spec.file)
        return count(folder / spec.file, {ports.input: (ports.batch or 1, *shape)}).parameters
    return sum(value.numel() for value in teachers.module(folder, spec).parameters())
