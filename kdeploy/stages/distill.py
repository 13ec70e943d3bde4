"""distill: students on the teacher's logits, baselines on the labels alone, the verdict, the seed that is exported.

Student and baseline of one seed share initial weights, views, batch order and number of steps. The baseline's views are
without mixup: the teacher labels a mixture, a label does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kdeploy.evaluation import accuracy, agreement, logits_of
from kdeploy.labelstore import BLOCK_ROWS, Reader
from kdeploy.losses import choice
from kdeploy.models import shallow
from kdeploy.models.adapters import ModuleClassifier
from kdeploy.models.weights import load_weights, save_weights
from kdeploy.progress import Progress
from kdeploy.records.distill import DistillRecord, Net
from kdeploy.records.teacher import Training
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.sampleset import SampleSet
from kdeploy.store import commit_bytes, hash_file
from kdeploy.training import BatchPlan, Schedule, device_named, software, train
from kdeploy.verdict import gap, judge

Role = Literal["student", "baseline"]


@dataclass(frozen=True)
class Settings:
    """How the students learn."""

    loss: choice.Name
    epochs: int
    batch: int
    learning_rate: float
    seeds: int
    baseline: bool
    device: str
    precision: str
    loss_options: choice.Options = field(default_factory=choice.Options)


@dataclass(frozen=True)
class Teacher:
    """What the students and the verdict need of the teacher: its labels, and its plain logits on two parts."""

    labels: Reader
    test_logits: np.ndarray
    held_out_logits: np.ndarray


@dataclass(frozen=True)
class _Task:
    """What every net of this stage shares."""

    folder: Path
    arguments: Mapping[str, Any]
    feed: Feed
    samples: SampleSet
    teacher: Teacher
    settings: Settings
    steps: int
    progress: Progress


def run(
    folder: Path,
    *,
    student: Mapping[str, Any],
    feed: Feed,
    samples: SampleSet,
    teacher: Teacher,
    settings: Settings,
    progress: Progress,
) -> DistillRecord:
    """Train every net that is not in the folder yet, and judge.

    Args:
        student: `convolutions`, `bottleneck` and `hidden` of kdeploy.models.shallow.ShallowStudent.
        feed: the samples as the students read them.
    """
    mean, std = statistics(feed.canonical, samples.transfer, feed.preprocessing.scale)
    shape = feed.preprocessing.model_shape
    arguments = {"shape": shape, "classes": len(samples.class_names), **student, "mean": mean, "std": std}
    steps = settings.epochs * BatchPlan(len(samples.transfer), settings.batch, 0).steps_per_epoch
    task = _Task(folder, arguments, feed, samples, teacher, settings, steps, progress)
    students, baselines = [], []
    for seed in range(settings.seeds):
        students.append(_net(task, "student", seed))
        if settings.baseline:
            baselines.append(_net(task, "baseline", seed))
    right, labels = _correct(task, students), samples.labels[samples.parts["test"]]
    chosen = max(students, key=lambda net: (net.held_out_agreement, -net.seed))
    module = shallow.seeded(0, **arguments)
    return DistillRecord(
        student=dict(arguments),
        preprocessing=feed.preprocessing,
        parameters=sum(value.numel() for value in module.parameters()),
        loss=settings.loss,
        epochs=settings.epochs,
        steps=steps,
        students=tuple(students),
        baselines=tuple(baselines),
        verdict=judge(right, _correct(task, baselines) if baselines else None),
        gap=gap(right, teacher.test_logits.argmax(1) == labels),
        chosen_seed=chosen.seed,
        chosen_because=f"agrees with the teacher on {chosen.held_out_agreement:.1%} of the held-out inputs, the most",
        software=software(device_named(settings.device), settings.precision),
    )


def _net(task: _Task, role: Role, seed: int) -> Net:
    """One trained and measured net; its JSON is written last, so that it is there only when the net is done."""
    done = task.folder / f"{role}-{seed}.json"
    if done.exists():
        return Net.model_validate_json(done.read_bytes())
    module = shallow.seeded(seed, **task.arguments)
    checkpoint = task.folder / f"{role}-{seed}.checkpoint"
    training = train(
        module,
        _student_loss(task, seed) if role == "student" else _baseline_loss(task, seed),
        Schedule(task.steps, task.settings.learning_rate),
        device=device_named(task.settings.device),
        precision=task.settings.precision,
        checkpoint=checkpoint,
        progress=task.progress,
        description=f"{role} {seed + 1} of {task.settings.seeds}",
    )
    net = _measured(task, role, seed, module, training)
    commit_bytes(done, net.model_dump_json().encode())
    checkpoint.unlink(missing_ok=True)
    return net


def _student_loss(task: _Task, seed: int) -> Callable[[nn.Module, int], Tensor]:
    transfer, device = task.samples.transfer, device_named(task.settings.device)
    plan, labels = BatchPlan(len(transfer), task.settings.batch, seed), torch.from_numpy(task.samples.labels[transfer])
    if task.feed.mixes:
        labels = torch.full_like(labels, -1)  # a mixture has no true label
    blocks = _blocks(task.teacher.labels)
    chosen = choice.loss_named(task.settings.loss, task.settings.loss_options, seed=seed, blocks=blocks)

    def loss(net: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        positions = rows.numpy()
        view = epoch % task.teacher.labels.header.shape[0]
        batch = task.feed.view(transfer[positions], view).to(device)
        targets = torch.from_numpy(task.teacher.labels.rows(view, positions)).to(device)
        indices = torch.from_numpy(transfer[positions]).to(device)
        return chosen(net(batch).float(), targets, labels[rows].to(device), indices, epoch)

    return loss


def _blocks(labels: Reader) -> Iterator[Tensor]:
    """The labels of the first view; the others are of the same samples."""
    for start in range(0, labels.header.shape[1], BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, labels.header.shape[1]))
        yield torch.from_numpy(labels.rows(0, rows))


def _baseline_loss(task: _Task, seed: int) -> Callable[[nn.Module, int], Tensor]:
    labelled, device = task.samples.labelled_transfer, device_named(task.settings.device)
    labels = torch.from_numpy(task.samples.labels[labelled])
    plan, feed = BatchPlan(len(labelled), task.settings.batch, seed), task.feed.unmixed

    def loss(net: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        batch = feed.view(labelled[rows.numpy()], epoch % task.teacher.labels.header.shape[0]).to(device)
        return functional.cross_entropy(net(batch).float(), labels[rows].to(device))

    return loss


def _measured(task: _Task, role: Role, seed: int, module: nn.Module, training: Training) -> Net:
    name = f"{role}-{seed}"
    path, parts, labels = task.folder / f"{name}.safetensors", task.samples.parts, task.samples.labels
    save_weights(module, path, task.arguments)
    # what is on disk is what is measured, in float32 whatever the training used
    again = shallow.seeded(0, **task.arguments)
    load_weights(again, path)
    classifier = ModuleClassifier(again, device=torch.device("cpu"), precision="fp32")
    test, held_out = (logits_of(classifier, task.feed, parts[part]) for part in ("test", "held_out"))
    logits = f"{name}.test_logits.npy"
    np.save(task.folder / logits, test)
    return Net(
        seed=seed,
        file=path.name,
        sha256=hash_file(path),
        logits=logits,
        test_accuracy=accuracy(test, labels[parts["test"]]),
        held_out_accuracy=accuracy(held_out, labels[parts["held_out"]]),
        held_out_agreement=agreement(held_out, task.teacher.held_out_logits),
        test_agreement=agreement(test, task.teacher.test_logits),
        training=training,
    )


def _correct(task: _Task, nets: list[Net]) -> np.ndarray:
    labels = task.samples.labels[task.samples.parts["test"]]
    return np.stack([np.load(task.folder / net.logits, allow_pickle=False).argmax(1) == labels for net in nets])
