"""What the linear bottleneck is worth in training (Ba and Caruana 2014, section 2.2), into RESULTS.md.

    python benchmarks/bottleneck_training.py [--seconds 120]

One hidden layer of H = 8000 on the D = 3072 pixels of CIFAR-10, its D x H weights as they are, and as V (k x D) and
U (H x k) with k = 250: steps a second, memory of training, squared error on held-out images after the same time, and
how far the trained pair is from the one layer it is merged into. Images, views and the teacher's logits are those of
recipes/cifar10-quick.yaml, whose teacher is trained first where that was not done. Both are trained as kdeploy trains,
by AdamW with one cycle of the rate and gradients cut to length; since time ends a training, the cycle follows the time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import sections
import torch
from rounds import CLOCKS, compare
from torch import Tensor, nn

from kdeploy import api
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.models import shallow
from kdeploy.pipeline.labels import open_labels
from kdeploy.pipeline.samples import feed
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.samples.feed import plain_inputs, statistics
from kdeploy.system import host
from kdeploy.timing.analysis.statistics import Estimate
from kdeploy.training.loop import BatchPlan
from kdeploy.training.options import TrainingOptions
from kdeploy.training.schedules import Schedule
from kdeploy.transforms.fuse import fused

HIDDEN, BOTTLENECK, BATCH = 8000, 250, 256
CYCLE = Schedule(1000, TrainingOptions(lr=1e-3))  # in thousandths of the time
STEPS = 10  # of an arm in a round
LEAST_RATIO, MOST_ERROR = 2.5, 1e-4
NAMES = {None: "full", BOTTLENECK: f"k = {BOTTLENECK}"}

Batches = Callable[[int], tuple[Tensor, Tensor]]  # the number of a step, to inputs and the teacher's logits


class Trained(NamedTuple):
    """A network after the time that both had."""

    net: shallow.ShallowStudent
    steps: int
    error: float  # squared, on held-out images, as a part of the variance of the teacher's logits


class Learner:
    """A network and its optimizer."""

    def __init__(self, width: int | None, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        sizes = {"bottleneck": width, "hidden": [HIDDEN]}
        self.net = shallow.seeded(0, shape=(3, 32, 32), classes=10, mean=mean, std=std, **sizes)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=CYCLE.options.lr, weight_decay=0.0, fused=True)

    def step(self, batch: Tensor, logits: Tensor) -> None:
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(host.has_bf16())):
            found = self.net(batch)
        logit_mse(found.float(), logits).mean().backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CYCLE.options.clip)
        self.optimizer.step()

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def main() -> None:
    parser = argparse.ArgumentParser(description="What the linear bottleneck is worth in training.")
    parser.add_argument("--seconds", type=float, default=120.0, help="of training for each net")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    job = api.run("recipes/cifar10-quick.yaml", upto="labels")
    samples, labels = job.samples(), open_labels(job)
    views = feed(job, samples.plain_preprocessing)
    mean, std = statistics(views.canonical, samples.transfer, views.preprocessing.scale)
    plan = BatchPlan(len(samples.transfer), BATCH, seed=0)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        epoch, rows = plan.at(step)
        view = epoch % labels.shape[0]
        return views.view(samples.transfer[rows.numpy()], view), torch.from_numpy(labels.rows(view, rows.numpy()))

    ratio = faster(mean, std, batches, options.rounds)
    held_out = torch.from_numpy(plain_inputs(samples, samples.plain_preprocessing, samples.parts["held_out"]))
    targets = torch.from_numpy(np.load(job.folder(TEACHER) / "held_out_logits.npy", allow_pickle=False))
    networks = {
        width: trained(Learner(width, mean, std), batches, options.seconds, held_out, targets) for width in NAMES
    }
    sections.replace(
        "bottleneck-training", written(ratio, options.rounds, options.seconds, networks, merged(networks, held_out))
    )


def faster(mean: tuple[float, ...], std: tuple[float, ...], batches: Batches, rounds: int) -> Estimate:
    """Steps a second with the bottleneck over those without, on batches that lie ready."""
    ready = [batches(number) for number in range(STEPS)]

    def arm(width: int | None) -> Callable[[], float]:
        learner = Learner(width, mean, std)

        def work() -> float:
            began = CLOCKS["wall"]()
            for batch, logits in ready:
                learner.step(batch, logits)
            return CLOCKS["wall"]() - began

        return work

    return compare(arm(BOTTLENECK), arm(None), rounds)


def trained(learner: Learner, batches: Batches, seconds: float, held_out: Tensor, targets: Tensor) -> Trained:
    """A learner after so many seconds of training; `held_out` (N, 3, 32, 32), `targets` its logits, (N, 10)."""
    began, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        learner.set_rate(CYCLE.rate(int(CYCLE.steps * elapsed / seconds)))
        learner.step(*batches(steps))
        steps += 1
    with torch.inference_mode():
        error = (learner.net.eval()(held_out) - targets).square().mean() / targets.var()
    return Trained(learner.net, steps, float(error))


@torch.inference_mode()
def merged(networks: dict[int | None, Trained], held_out: Tensor) -> float:
    """The largest difference of a logit once V and U are one layer, as a part of the largest; inputs (N, 3, 32, 32)."""
    network = networks[BOTTLENECK].net
    first, *rest = network.hidden
    assert isinstance(network.bottleneck, nn.Linear)
    assert isinstance(first, nn.Linear)
    one = nn.Sequential(network.normalise, nn.Flatten(), fused(network.bottleneck, first), *rest, network.logits)
    logits = network(held_out)
    return float((one(held_out) - logits).abs().max() / logits.abs().max())


def written(
    ratio: Estimate, rounds: int, seconds: float, networks: dict[int | None, Trained], difference: float
) -> list[str]:
    """The section of RESULTS.md."""
    assert ratio.interval is not None
    low, high = ratio.interval
    cells = (
        (NAMES[width], f"{one.steps:,}", f"{one.error:.4f}", f"{_parameters(one.net):,}", f"{_state(one.net):.0f}")
        for width, one in networks.items()
    )
    return [
        "## bottleneck-training",
        "",
        "- command: `python benchmarks/bottleneck_training.py`",
        f"- machine: {host.cpu_model()}, {torch.get_num_threads()} thread(s); {host.os_name()}",
        f"- versions: {sections.versions(host.library_versions(('torch', 'numpy')))}",
        "",
        f"3072-8000-10 on CIFAR-10 pixels, batch {BATCH}, {seconds:.0f} s of training each.",
        "",
        *sections.table(
            ("D x H", "steps", "held-out error, part of the variance", "parameters", "MB of weights and optimizer"),
            cells,
        ),
        f"Steps a second with the bottleneck over those without: {ratio.value:.2f}, 95 % interval {low:.2f} to "
        f"{high:.2f}, {rounds} rounds (asked: at least {LEAST_RATIO}). {_met(ratio.value >= LEAST_RATIO)}",
        "",
        f"The trained pair merged into one layer: logits differ by at most {difference:.1e} of the largest (asked: "
        f"below {MOST_ERROR:.0e}). {_met(difference < MOST_ERROR)}",
    ]


def _parameters(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


def _state(network: nn.Module) -> float:
    """MB of weights, gradients and both moments of AdamW."""
    return 4 * 4 * _parameters(network) / 1e6


def _met(met: bool) -> str:
    return "Met." if met else "NOT MET."


if __name__ == "__main__":
    main()
