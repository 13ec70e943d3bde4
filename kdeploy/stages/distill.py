"""distill: students on the teacher's logits, baselines on the labels alone, the verdict, the seed that is exported.

Student and baseline of one seed share initial weights, views, batch order and number of steps. The baseline's views are
without mixup: the teacher labels a mixture, a label does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from kdeploy.evaluation import curve
from kdeploy.evaluation.class_prior import class_prior, matching_bias
from kdeploy.evaluation.logits import logits_of
from kdeploy.evaluation.verdict import Qualities, agreed, gap, judge, qualities
from kdeploy.labels.store import BLOCK_ROWS, Labels
from kdeploy.losses.by_name import loss_of
from kdeploy.losses.hooks import Context, Features, progress_of
from kdeploy.losses.options import LossOptions
from kdeploy.losses.targets import target_loss
from kdeploy.models import students as families
from kdeploy.models.answering import must_end_linear
from kdeploy.models.classifier import ModuleClassifier
from kdeploy.models.hinted import Answer, StudentWithHints
from kdeploy.models.shallow import ShallowStudent
from kdeploy.models.students import StudentOptions
from kdeploy.models.units import Units, units_of
from kdeploy.models.weights import save_weights
from kdeploy.records.distill import DistillRecord, Network, StudentNetwork
from kdeploy.records.seal import again
from kdeploy.records.teacher import Training
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system import distributed
from kdeploy.system.done import read_done, write_done
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.training import checkpoints
from kdeploy.training.loop import BatchPlan, Samples, Watch, device_named, software, train
from kdeploy.training.options import TrainingOptions
from kdeploy.training.schedules import Schedule

Role = Literal["student", "baseline"]


@dataclass(frozen=True)
class DistillOptions:
    """What may be chosen about the students and how they learn.

    Args:
        epochs: of the transfer set.
        seeds: how many students, and as many baselines.
        baseline: train the same network on the labels alone as well, where there are labels?
        match_prior: then shift the biases until the held-out inputs have the teacher's class prior?
        curve: record the test accuracy after each epoch?
        tracker: tensorboard shows the loss of each step.
        hint_layer: which layer learns the teacher's features, a hidden one of a shallow student by its number from 1,
            any by its name; None for what the last linear layer reads.
    """

    epochs: int
    training: TrainingOptions
    loss: LossOptions
    seeds: int = 3
    baseline: bool = True
    device: str = "auto"
    match_prior: bool = False
    curve: bool = False
    tracker: Literal["none", "tensorboard"] = "none"
    hint_layer: int | str | None = None


@dataclass(frozen=True)
class StoredTeacher:
    """What the students and the verdict need of the teacher: its labels, and its logits on two parts without any view.

    Args:
        test_logits, held_out_logits: float32 (samples of the part, classes).
    """

    labels: Labels
    test_logits: np.ndarray
    held_out_logits: np.ndarray


@dataclass(frozen=True)
class _Task:
    """What every network of this stage shares."""

    folder: Path
    network: StudentNetwork
    feed: Feed
    samples: SampleSet
    teacher: StoredTeacher
    options: DistillOptions
    steps: int
    progress: Progress
    units: Mapping[Role, Units]  # in which each learns; none where outputs have no unit


def run(
    folder: Path,
    *,
    student: StudentOptions,
    feed: Feed,
    samples: SampleSet,
    teacher: StoredTeacher,
    options: DistillOptions,
    progress: Progress,
) -> DistillRecord:
    """Train every network that is not in the folder yet, and judge.

    Args:
        feed: the samples as the students read them.
    """
    mean, std = statistics(feed.canonical, samples.transfer, feed.preprocessing.scale)
    shape, classes = feed.preprocessing.model_shape, teacher.test_logits.shape[1]
    network = families.described(student, shape=shape, classes=classes, mean=mean, std=std)
    steps = options.epochs * BatchPlan(len(samples.transfer), options.training.batch, 0).steps_per_epoch
    task = _Task(folder, network, feed, samples, teacher, options, steps, progress, _units(samples, teacher))
    students, baselines = [], []
    for seed in range(options.seeds):
        students.append(_network(task, "student", seed))
        if options.baseline and samples.any_label:
            baselines.append(_network(task, "baseline", seed))
    right = _qualities(task, students) if samples.any_label else None
    best = max(students, key=lambda network: (network.held_out_agreement, -network.seed))
    module = families.load(folder / best.file, network)  # first weights may be published ones, which are fetched
    return DistillRecord(
        student=network,
        preprocessing=feed.preprocessing,
        parameters=sum(value.numel() for value in module.parameters()),
        loss=options.loss.loss,
        epochs=options.epochs,
        steps=steps,
        students=tuple(students),
        baselines=tuple(baselines),
        verdict=judge(right, _qualities(task, baselines) if baselines else None, samples.kind),
        gap=None if right is None else gap(right, _qualities_of(task, [teacher.test_logits])),
        agreement=agreed(samples.kind, _test_logits(task, best), teacher.test_logits),
        chosen_seed=best.seed,
        outputs=samples.outputs,
        chosen_because=f"{samples.kind.agrees(f'{best.held_out_agreement:.1%}', 'the held-out inputs')}, the most",
        software=software(device_named(options.device), options.training.precision, options.training.threads),
    )


def _network(task: _Task, role: Role, seed: int) -> Network:
    """One trained and measured network; its JSON is written last, so that it is there only when the network is done."""
    done = task.folder / f"{role}-{seed}.json"
    if (finished := read_done(done, Network, again("distill"))) is not None:
        return finished
    module = families.seeded(task.network, seed)
    checkpoint = task.folder / f"{role}-{seed}.checkpoint"
    training = train(
        _module_with_hints(task, module, seed) if role == "student" else module,
        _student_loss(task, seed) if role == "student" else _baseline_loss(task, seed),
        Schedule(task.steps, task.options.training, seed),
        device=device_named(task.options.device),
        checkpoint=checkpoint,
        progress=task.progress,
        description=f"{role} {seed + 1} of {task.options.seeds}",
        watch=_watch(task, f"{role}-{seed}"),
        samples=_samples(task, role, seed),
    )
    if role in task.units:
        task.units[role].fold_into(_last_layer(task, module))
    bias = _match_prior(task, module) if task.options.match_prior and role == "student" else None
    network = _measured(task, role, seed, module, training, bias)
    write_done(done, network, [task.folder / network.file, task.folder / network.logits])
    checkpoints.remove(checkpoint)
    return network


def _units(samples: SampleSet, teacher: StoredTeacher) -> dict[Role, Units]:
    """What outputs are multiples of: for students the spread of the teacher's, for baselines that of the targets."""
    if not samples.kind.terms.standardizes:
        return {}
    labels = units_of(block.numpy() for block in _blocks(teacher.labels))
    known = samples.labels[samples.labeled_transfer]
    return {"student": labels, "baseline": units_of([known]) if len(known) else labels}


def _targets(task: _Task, role: Role, rows: np.ndarray) -> Tensor:
    """The targets of samples, in the units that a network of this role learns in."""
    targets = task.samples.targets(rows, task.teacher.test_logits.shape[1])
    return torch.from_numpy(task.units[role].standard(targets) if role in task.units else targets)


def _samples(task: _Task, role: Role, seed: int) -> Samples:
    """A function from a step of a network to the samples that it reads, as indices in the sample set."""
    rows = task.samples.transfer if role == "student" else task.samples.labeled_transfer
    plan = BatchPlan(len(rows), task.options.training.batch, seed)
    return lambda step: rows[plan.at(step)[1].numpy()]


def _module_with_hints(task: _Task, student: nn.Module, seed: int) -> nn.Module:
    """The student, with what it learns the features with shown, and the map of its hints, where the loss reads some."""
    if not task.options.loss.reads_features:
        return student
    width = task.teacher.labels.features(0, np.arange(1)).shape[1] if task.options.loss.hint_weight else None
    layer = task.options.hint_layer
    if isinstance(layer, int):
        assert isinstance(student, ShallowStudent)
        layer = student.hidden_layer(layer)
    return StudentWithHints(student, _example(task), width=width, seed=seed, layer=layer)


def _example(task: _Task) -> Tensor:
    """Two preprocessed samples, (2, *shape)."""
    return task.feed.plain(task.samples.parts["held_out"][:2])


def _student_loss(task: _Task, seed: int) -> Callable[[nn.Module, int], Tensor]:
    transfer, device = task.samples.transfer, device_named(task.options.device)
    plan, labels = (
        BatchPlan(len(transfer), task.options.training.batch, seed),
        _targets(task, "student", transfer),
    )
    if task.feed.mixes:
        labels = torch.full_like(labels, task.samples.kind.unknown)  # a mixture has no true label
    blocks, units = _blocks(task.teacher.labels), task.units.get("student")
    batch_loss = loss_of(task.options.loss, seed=seed, blocks=blocks, outputs=task.samples.outputs)

    def loss(module: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        positions = rows.numpy()
        view = epoch % task.teacher.labels.shape[0]
        batch = task.feed.view(transfer[positions], view).to(device)
        stored = task.teacher.labels
        logits, features = _answered(module(batch), stored, view, positions)
        rows_of_teacher = stored.rows(view, positions)
        context = Context(
            student=logits,
            teacher=torch.from_numpy(units.standard(rows_of_teacher) if units else rows_of_teacher).to(device),
            labels=labels[rows].to(device),
            samples=torch.from_numpy(transfer[positions]).to(device),
            epoch=epoch,
            progress=progress_of(epoch, task.options.epochs),
            members=None
            if task.options.loss.mixture == "mean"
            else torch.from_numpy(stored.members(view, positions)).to(device),
            features=features,
        )
        with torch.autocast(device.type, enabled=False):  # a loss is in float32, whatever the network computes in
            return batch_loss(context)

    return loss


def _answered(
    answer: Tensor | Answer, stored: Labels, view: int, positions: np.ndarray
) -> tuple[Tensor, Features | None]:
    """The student's logits, and its features with the teacher's where the loss reads them; float32."""
    if isinstance(answer, Tensor):
        return answer.float(), None
    teacher = torch.from_numpy(stored.features(view, positions)).to(answer.hidden.device)
    projected = None if answer.projected is None else answer.projected.float()
    return answer.logits.float(), Features(answer.hidden.float(), projected, teacher)


def _blocks(labels: Labels) -> Iterator[Tensor]:
    """The labels of the first view, (rows, classes) each; the other views are of the same samples."""
    for start in range(0, labels.shape[1], BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, labels.shape[1]))
        yield torch.from_numpy(labels.rows(0, rows))


def _baseline_loss(task: _Task, seed: int) -> Callable[[nn.Module, int], Tensor]:
    labeled, device = task.samples.labeled_transfer, device_named(task.options.device)
    labels, kind = _targets(task, "baseline", labeled), task.samples.outputs
    plan, feed = BatchPlan(len(labeled), task.options.training.batch, seed), task.feed.unmixed

    def loss(module: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        batch = feed.view(labeled[rows.numpy()], epoch % task.teacher.labels.shape[0]).to(device)
        return target_loss(kind, module(batch).float(), labels[rows].to(device))

    return loss


def _watch(task: _Task, name: str) -> Watch:
    """The watches that the options ask for: the curve of the quality, and TensorBoard in the first process."""
    watches: list[Watch] = []
    if task.options.curve:
        watches.append(_curve(task, name))
    if task.options.tracker == "tensorboard" and distributed.is_first():
        watches.append(_tracked(task, name))

    def watch(module: nn.Module, done: int, loss: float) -> None:
        for one in watches:
            one(module, done, loss)

    return watch


def _curve(task: _Task, name: str) -> Watch:
    """Keep the test quality after each epoch of the transfer set, in a file that a resumed training goes on with."""
    test, labels = task.samples.parts["test"], task.samples.labels[task.samples.parts["test"]]
    every, path, kind = task.steps // task.options.epochs, task.folder / f"{name}.curve.json", task.samples.kind
    units = task.units.get("student" if name.startswith("student") else "baseline")

    def watch(module: nn.Module, done: int, _loss: float) -> None:
        if done % every:
            return
        student = module.student if isinstance(module, StudentWithHints) else module
        classifier = ModuleClassifier(student, device=device_named(task.options.device), precision="fp32")
        outputs = logits_of(classifier, task.feed, test)
        outputs = units.restored(outputs) if units else outputs
        score = kind.quality(outputs, labels)
        score = kind.agreement(outputs, task.teacher.test_logits) if score is None else score
        module.train()
        curve.keep(path, [*curve.read(path)[: done // every - 1], score])

    return watch


def _tracked(task: _Task, name: str) -> Watch:
    """Show the loss of each step in TensorBoard."""
    from kdeploy.training.tensorboard import Tracker  # its package is an extra

    tracker = Tracker(task.folder, name)

    def watch(_module: nn.Module, done: int, loss: float) -> None:
        tracker.write("loss", loss, done)
        if done == task.steps:
            tracker.close()

    return watch


def _last_layer(task: _Task, module: nn.Module) -> nn.Linear:
    """The layer that gives the outputs of a student. Raises: ModelError where that is none with a bias."""
    return must_end_linear(module, _example(task), f"student.{task.network.family}")


@torch.no_grad()
def _match_prior(task: _Task, module: nn.Module) -> np.ndarray:
    """Shift the biases of the logits until the held-out inputs have the teacher's class prior; returns the shift,
    shape (classes,)."""
    classifier = ModuleClassifier(module, device=torch.device("cpu"), precision="fp32")
    logits = logits_of(classifier, task.feed, task.samples.parts["held_out"])
    bias = matching_bias(logits, class_prior(task.teacher.held_out_logits))
    layer = _last_layer(task, module)
    layer.bias.add_(torch.from_numpy(bias).to(layer.bias))
    return bias


def _measured(
    task: _Task, role: Role, seed: int, module: nn.Module, training: Training, bias: np.ndarray | None
) -> Network:
    name = f"{role}-{seed}"
    path, parts, labels = task.folder / f"{name}.safetensors", task.samples.parts, task.samples.labels
    save_weights(module, path, task.network.model_dump(mode="json"))
    # what is on disk is what is measured, in float32 whatever the training used
    again = families.load(path, task.network)
    classifier = ModuleClassifier(again, device=torch.device("cpu"), precision="fp32")
    test, held_out = (logits_of(classifier, task.feed, parts[part]) for part in ("test", "held_out"))
    logits = f"{name}.test_logits.npy"
    np.save(task.folder / logits, test)
    truth, kind = labels[parts["test"]], task.samples.kind
    return Network(
        seed=seed,
        file=path.name,
        sha256=hash_file(path),
        logits=logits,
        test_accuracy=kind.quality(test, truth),
        held_out_accuracy=kind.quality(held_out, labels[parts["held_out"]]),
        held_out_agreement=kind.agreement(held_out, task.teacher.held_out_logits),
        test_agreement=kind.agreement(test, task.teacher.test_logits),
        training=training,
        prior_bias=None if bias is None else tuple(bias.tolist()),
        unmatched_test_accuracy=None if bias is None else kind.quality(test - bias, truth),
        curve=tuple(curve.read(task.folder / f"{name}.curve.json")),
        others=kind.others(test, truth),
    )


def _qualities(task: _Task, networks: list[Network]) -> Qualities:
    """The test quality of each network."""
    return _qualities_of(task, [_test_logits(task, network) for network in networks])


def _qualities_of(task: _Task, outputs: list[np.ndarray]) -> Qualities:
    return qualities(task.samples.kind, outputs, task.samples.labels[task.samples.parts["test"]])


def _test_logits(task: _Task, network: Network) -> np.ndarray:
    logits: np.ndarray = np.load(task.folder / network.logits, allow_pickle=False)
    return logits
