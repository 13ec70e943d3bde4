"""Ten students of different widths from one label store, against ten trainings with the teacher in the loop.

    python benchmarks/ten_students.py

Store: the stage `labels` once, then the stage `distill` ten times, with its measuring and judging. Loop: the same ten
trainings, whose targets the teacher computes for every batch of every epoch anew; nothing is measured or judged.
Asked for: at most a third of the time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelling import CPU, PRECISION, deep_cnn
from material import header
from rounds import CLOCKS, Clock, head, options
from torch import Tensor, nn

from kdeploy.labels.store import Reader
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.options import LossOptions
from kdeploy.models import shallow
from kdeploy.models.classifier import Classifier
from kdeploy.models.students import StudentOptions
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import distill, labels
from kdeploy.system.progress import Progress
from kdeploy.training.loop import BatchPlan, Schedule, software, train
from kdeploy.training.options import TrainingOptions

BATCH = 64
TRAINING = TrainingOptions(batch=BATCH, precision=PRECISION)


def from_one_store(
    widths: list[int], epochs: int, classifier: Classifier, feed: Feed, samples: SampleSet, clock: Clock
) -> float:
    """The seconds of one labelling and of the students."""
    started = clock()
    store_header = header(samples, feed.preprocessing, epochs)
    with tempfile.TemporaryDirectory() as place:
        store = Path(place, "labels")
        store.mkdir()
        labels.run(
            store,
            header=store_header,
            classifier=classifier,
            feed=feed,
            samples=samples,
            software=software(CPU, PRECISION),
            progress=Progress(),
        )
        logits = np.zeros((100, 10), np.float32)
        for width in widths:
            folder = Path(place, str(width))
            folder.mkdir()
            distill.run(
                folder,
                student=StudentOptions("shallow", _sizes(width)),
                feed=feed,
                samples=samples,
                teacher=distill.StoredTeacher(Reader(store, store_header), logits, logits),
                options=distill.DistillOptions(epochs, TRAINING, LossOptions(), seeds=1, baseline=False, device="cpu"),
                progress=Progress(),
            )
    return clock() - started


def with_teacher(
    widths: list[int], epochs: int, classifier: Classifier, feed: Feed, samples: SampleSet, clock: Clock
) -> float:
    """The seconds of the trainings with the teacher in the loop."""
    started, transfer = clock(), samples.transfer
    plan = BatchPlan(len(transfer), BATCH, 0)
    mean, std = statistics(feed.canonical, transfer, feed.preprocessing.scale)
    common: dict[str, Any] = {"shape": feed.preprocessing.model_shape, "classes": 10, "mean": mean, "std": std}

    def loss(network: nn.Module, step: int) -> Tensor:
        epoch, rows = plan.at(step)
        batch = feed.view(transfer[rows.numpy()], epoch)
        return logit_mse(network(batch).float(), classifier.logits(batch).clone()).mean()

    with tempfile.TemporaryDirectory() as place:
        for width in widths:
            train(
                shallow.seeded(0, **common, **_sizes(width)),
                loss,
                Schedule(epochs * plan.steps_per_epoch, TRAINING),
                device=torch.device("cpu"),
                checkpoint=Path(place, str(width)),
                progress=Progress(),
                description="student",
            )
    return clock() - started


def _sizes(width: int) -> dict[str, Any]:
    return {"convolutions": [(8, 5, 2)], "bottleneck": 32, "hidden": [width]}


def main() -> None:
    parser = options("Ten students from one label store, against ten trainings with the teacher in the loop.", rounds=1)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=4, help="as many views are labelled")
    parser.add_argument("--students", type=int, default=10)
    flags = parser.parse_args()
    print(head())
    _, classifier, _, feed, samples = deep_cnn(flags.samples)
    widths = [64 * (number + 1) for number in range(flags.students)]
    arguments = (widths, flags.epochs, classifier, feed, samples, CLOCKS[flags.clock])
    # the first optimizer of a process imports torch's compiler, for seconds: the arm that comes first must not pay that
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    for _ in range(flags.rounds):
        store, loop = from_one_store(*arguments), with_teacher(*arguments)
        print(
            f"{flags.students} students: {store:.1f} s from one store, {loop:.1f} s with the teacher in the loop, ",
            end="",
        )
        print(f"ratio {store / loop:.3f} (asked for: at most 0.333)", flush=True)


if __name__ == "__main__":
    main()
