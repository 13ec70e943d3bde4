"""A student's step in the product against the same step in a bare torch loop.

    taskset -c 1 python benchmarks/student_step.py

Product: the stage `distill` (batch plan, views, preprocessing, labels from the store, loss, the one training loop).
Bare: the same network, AdamW, clipping, precision and batch over tensors that lie ready; no views, no schedule.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from material import DIGIT, Stopwatch, header, made_up_labels
from rounds import CLOCKS, Arm, Clock, compare, head, options, shown
from torch import Tensor

from kdeploy.labels.store import Reader
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.options import LossOptions
from kdeploy.models import shallow
from kdeploy.models.students import StudentOptions
from kdeploy.samples import sources
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views
from kdeploy.stages import distill
from kdeploy.system import host
from kdeploy.training.options import TrainingOptions

VIEWS = 4
SKIP = 5  # steps that warm up
CONVOLUTIONAL: dict[str, Any] = {"convolutions": [(32, 5, 2)], "bottleneck": 64, "hidden": [512]}
DENSE: dict[str, Any] = {"bottleneck": None, "hidden": [800, 800]}


class Case(NamedTuple):
    name: str
    student: dict[str, Any]
    batch: int


CASES = (
    Case("student of mnist-5k, batch 64", CONVOLUTIONAL, 64),
    Case("student of mnist-5k, batch 256", CONVOLUTIONAL, 256),
    Case("784-800-800-10, batch 256", DENSE, 256),
)


def product(case: Case, feed: Feed, samples: SampleSet, labels: Reader, epochs: int, clock: Clock) -> Arm:
    """Train one student in the stage; the seconds of its steps."""
    precision = "bf16" if host.has_bf16() else "fp32"
    training = TrainingOptions(batch=case.batch, precision=precision)
    options = distill.DistillOptions(epochs, training, LossOptions(), seeds=1, baseline=False, device="cpu")
    logits = {part: np.zeros((len(samples.parts[part]), 10), np.float32) for part in ("test", "held_out")}

    def arm() -> float:
        watch = Stopwatch("student 1 of 1", SKIP, clock)
        with tempfile.TemporaryDirectory() as folder:
            distill.run(
                Path(folder),
                student=StudentOptions("shallow", case.student),
                feed=feed,
                samples=samples,
                teacher=distill.StoredTeacher(labels, logits["test"], logits["held_out"]),
                options=options,
                progress=watch,
            )
        return watch.seconds

    return arm


def bare(case: Case, ready: list[tuple[Tensor, Tensor]], steps: int, arguments: dict[str, Any], clock: Clock) -> Arm:
    """Train the same network as anybody would."""
    enabled = bool(host.has_bf16())

    def arm() -> float:
        network = shallow.seeded(0, **arguments, **case.student)
        network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
        started = 0.0
        for step in range(steps):
            if step == SKIP:
                started = clock()
            batch, targets = ready[step % len(ready)]
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                found = network(batch)
            loss = logit_mse(found.float(), targets).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
        return clock() - started

    return arm


def main() -> None:
    parser = options("A student's step in the product against a bare torch loop.", rounds=12)
    parser.add_argument("--epochs", type=int, default=1, help="of 2,800 digits, in each arm of a round")
    flags = parser.parse_args()
    clock = CLOCKS[flags.clock]
    print(head())
    samples = sources.load({"source": "mnist-5k"})
    feed = Feed(samples.inputs["image"], Views(0, shift=2), DIGIT)
    mean, std = statistics(feed.canonical, samples.transfer, DIGIT.scale)
    arguments = {"shape": DIGIT.model_shape, "classes": 10, "mean": mean, "std": std}
    with tempfile.TemporaryDirectory() as place:
        labels = made_up_labels(Path(place), header(samples, DIGIT, VIEWS))
        for case in CASES:
            steps = flags.epochs * (len(samples.transfer) // case.batch)
            ready = [_ready(feed, samples, labels, case.batch, number) for number in range(8)]
            measured = product(case, feed, samples, labels, flags.epochs, clock)
            arms = measured, bare(case, ready, steps, arguments, clock)
            estimate = compare(*arms, flags.rounds)
            print(shown(f"step, {case.name}", estimate, flags.rounds, at_least=0.9), flush=True)


def _ready(feed: Feed, samples: SampleSet, labels: Reader, batch: int, number: int) -> tuple[Tensor, Tensor]:
    rows = np.arange(number * batch, (number + 1) * batch) % len(samples.transfer)
    return feed.view(samples.transfer[rows], 0), torch.from_numpy(labels.rows(0, rows))


if __name__ == "__main__":
    main()
