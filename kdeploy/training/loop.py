"""The one training loop, shared by teacher and student.

Everything a step reads is a pure function of its number: the batch, its view, the learning rate, and torch's generator,
which is seeded anew for each step, so that dropout is such a function too. So the state is the weights, the optimizer
and the step, and a run resumed from a checkpoint ends with the same bits as one that was not interrupted;
`kdeploy.training.checkpoints` says what that takes. Several processes share each batch: `kdeploy.system.distributed`.

Autocast, gradient scaling and clipping are torch's own: wrapped once more by accelerate they took 2 to 5 % of a step.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kdeploy.errors import InputError, Interrupted, MissingError, NonFiniteError
from kdeploy.records.software import ComputedOn
from kdeploy.records.teacher import Training
from kdeploy.samples.mixing import mix
from kdeploy.system import distributed, host
from kdeploy.system.files import commit_bytes
from kdeploy.system.malloc import keeping_pages
from kdeploy.system.progress import Progress
from kdeploy.training import checkpoints
from kdeploy.training.checkpoints import State
from kdeploy.training.course import Course
from kdeploy.training.optimizers import optimizers
from kdeploy.training.options import TrainingOptions
from kdeploy.training.schedules import Schedule

CHECKPOINT_SECONDS = 15.0


@dataclass(frozen=True)
class BatchPlan:
    """Which samples a step reads: each epoch is a permutation of its own, cut into whole batches.

    Args:
        samples: how many there are.
        batch: samples a step, over all processes; all of them when there are fewer.
        seed: of the permutations.
    Raises: InputError for a batch of which a process would get nothing.
    """

    samples: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.size < distributed.count():
            must = f"must have a row for each of the {distributed.count()} processes"
            raise InputError("batch", must, got=f"{self.size} rows", advice="Start fewer processes.")

    @property
    def size(self) -> int:
        return min(self.batch, self.samples)

    @property
    def steps_per_epoch(self) -> int:
        return self.samples // self.size

    def at(self, step: int) -> tuple[int, Tensor]:
        """The epoch of a step, and the positions that this process reads in it, int64 (rows,).

        A single process reads all `size` of them.
        """
        epoch, part = divmod(step, self.steps_per_epoch)
        rows = _order(self.seed, epoch, self.samples)[part * self.size : (part + 1) * self.size]
        return epoch, torch.from_numpy(rows[distributed.rank() :: distributed.count()].copy())


@lru_cache(maxsize=4)  # each step of an epoch asks for the same
def _order(seed: int, epoch: int, samples: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(samples)


Loss = Callable[[nn.Module, int], Tensor]  # the module and the step's number, to a scalar
Watch = Callable[[nn.Module, int, float], None]  # the module, how many steps are done, and the loss of the last
Samples = Callable[[int], np.ndarray]  # the step's number, to indices in the sample set


def device_named(name: str) -> torch.device:
    """The device of a recipe's `device`; `auto` is CUDA where there is one, for each process of this machine one of
    its own, else the CPU.

    Raises: MissingError for a device asked for by name that is not here.
    """
    if name == "auto":
        if torch.cuda.is_available() and distributed.count() > 1:
            return torch.device("cuda", distributed.local_rank() % torch.cuda.device_count())
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    here = {"cpu": True, "mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if not here[name.partition(":")[0]]:
        raise MissingError("distill.device", "must be a device of this machine", got=name, advice="Use auto.")
    return torch.device(name)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """So many threads for torch on the CPU; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def software(device: torch.device, precision: str, threads: int | None = None) -> ComputedOn:
    """What this process computes on; `threads` is what a training used, where it has its own number."""
    return ComputedOn(
        device=str(device),
        threads=threads or torch.get_num_threads(),
        precision=precision,
        versions=host.library_versions(("kdeploy", "torch", "numpy", "onnxruntime")),
    )


def train(  # noqa: PLR0913 - each is one thing that a training must be told
    module: nn.Module,
    loss: Loss,
    schedule: Schedule,
    *,
    device: torch.device,
    checkpoint: Path,
    progress: Progress,
    description: str,
    watch: Watch = lambda _module, _done, _loss: None,
    samples: Samples | None = None,
) -> Training:
    """Train a module in place, on from the checkpoint when there is one.

    Args:
        module: trained in place; on the CPU and in evaluation mode afterwards.
        loss: gives the loss of one step, of this process's rows; called under autocast.
        checkpoint: a file that is written every 15 seconds, beside the one before it.
        description: what the progress bar says.
        watch: called after each step, for some again when the training was interrupted; it changes nothing.
        samples: which samples this process reads in a step, for `diagnostics.json` and as the weight of its gradient;
            None for as many as every other process.
    Raises: NonFiniteError before a step would use a loss that is not finite; Interrupted after a checkpoint;
        MissingError for fp16 without CUDA, or without a compiler; InputError for what is no checkpoint, or for one
        that does not promise the same bits where they are required; IntegrityError where every checkpoint is damaged.
    """
    _check_means(device, schedule.options)
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    loop = _Loop(module, loss, schedule, samples)
    with torch_threads(schedule.options.threads):
        position = _Checkpoint(checkpoint, loop.state, progress, schedule.steps)
    _say_differences(position.differs, checkpoint, description, schedule.options.require_exact, progress)
    module.train()
    with (
        torch_threads(schedule.options.threads),
        keeping_pages(),
        progress.task(description, schedule.steps) as advance,
    ):
        advance(position.step)
        try:
            while position.step < schedule.steps:
                with progress.shield():
                    position.note(loop.step(position.step))
                    watch(module, position.step, position.loss)
                advance(position.step)
                position.write_if_due()
        except Interrupted:
            position.write()
            raise
        except NonFiniteError:
            loop.diagnose(checkpoint.with_name("diagnostics.json"), position.step)
            raise
    loop.finish()
    return Training(
        steps=schedule.steps,
        final_loss=position.loss,
        duration_ns=position.spent_ns(),
        resume_exact=not position.differs,
        losses=position.course.means(),
    )


class _Checkpoint:
    """How far a training is, `step` steps done and the loss of the last, kept in a file by the first process."""

    def __init__(self, path: Path, state: State, progress: Progress, steps: int) -> None:
        resumed = checkpoints.resume(path, state, progress.say)
        self.path, self.state = path, state
        self.step, self.loss, self.differs = resumed.step, resumed.loss, resumed.differs
        self.course = Course(steps, resumed.losses)
        self._started, self._written = time.monotonic_ns() - resumed.spent_ns, time.monotonic()
        self._interval = _checkpoint_seconds()

    def note(self, loss: float) -> None:
        """One step more is done, with this loss."""
        self.course.add(self.step, loss)
        self.loss = loss
        self.step += 1

    def spent_ns(self) -> int:
        """Total nanoseconds spent, over all resumptions."""
        return time.monotonic_ns() - self._started

    def write_if_due(self) -> None:
        if time.monotonic() - self._written > self._interval:
            self.write()
            self._written = time.monotonic()

    def write(self) -> None:
        if distributed.is_first():
            checkpoints.write(self.path, self.state, self.step, self.loss, self.spent_ns(), self.course.sums)


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generators that a module here can draw from: `torch.manual_seed` seeds those of every kind of device,
    and takes a tenth of a millisecond for it."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


class _Loop:
    """The state of a training, and its step."""

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        schedule: Schedule,
        samples: Samples | None,
    ) -> None:
        self.module, self.loss, self.schedule, self.samples = module, loss, schedule, samples
        self.parameters = [value for value in module.parameters() if value.requires_grad]
        self.device = self.parameters[0].device
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(schedule.options.precision)
        self.called = cast("nn.Module", torch.compile(module)) if schedule.options.compile else module
        average = None
        if schedule.options.ema:
            rule = get_ema_multi_avg_fn(schedule.options.ema)  # type: ignore[no-untyped-call]  # torch's
            average = AveragedModel(module, multi_avg_fn=rule)
        scaler = torch.amp.GradScaler(self.device.type, enabled=schedule.options.precision == "fp16")
        self.state = State(module, optimizers(module, schedule.options), scaler, average)
        self.norm = math.nan

    def step(self, number: int) -> float:
        """Do one step of the training; returns its loss.

        Raises: NonFiniteError before the weights change.
        """
        scaler, rate = self.state.scaler, self.schedule.rate(number)
        # whatever the module draws is of this step; each process leaves out units of its own
        _seed(self.device, mix(mix(mix(self.schedule.seed) + number) + distributed.rank()))
        for optimizer in self.state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            loss = self.loss(self.called, number)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's
        value = self._shared(loss.detach(), number)
        for optimizer in self.state.optimizers:
            scaler.unscale_(optimizer)
        self._clip()
        # a scale that was too large makes infinite gradients: the scaler then leaves the step out and halves it
        if not (math.isfinite(value) and (scaler.is_enabled() or math.isfinite(self.norm))):
            raise NonFiniteError(
                f"training step {number}",
                "loss and gradient must be finite",
                got=f"loss {value}, gradient norm {self.norm}",
                advice="Lower the learning rate (lr), or look for broken inputs or labels.",
            )
        for optimizer in self.state.optimizers:
            scaler.step(optimizer)
        scaler.update()
        if self.state.average is not None:
            self.state.average.update_parameters(self.module)
        return value

    def _shared(self, loss: Tensor, step: int) -> float:
        """The mean loss of all processes; their gradients become their mean."""
        if distributed.count() > 1:
            gradients = [value.grad for value in self.parameters if value.grad is not None]
            rows = 1 if self.samples is None else len(self.samples(step))
            distributed.mean([loss, *gradients], rows)
        return float(loss)

    def _clip(self) -> None:
        """Measure the gradient, and shorten it where it is too long; most are not, and are left alone."""
        gradients = [value.grad for value in self.parameters if value.grad is not None]
        norm, most = nn.utils.get_total_norm(gradients), self.schedule.options.clip
        self.norm = float(norm)
        if most is not None and self.norm > most:
            nn.utils.clip_grads_with_norm_(self.parameters, most, norm)

    def diagnose(self, path: Path, step: int) -> None:
        """Write what is known about a step that failed; null stands for what is not finite."""
        diagnosis = {
            "step": step,
            "samples": None if self.samples is None else self.samples(step).tolist(),
            "gradient_norm": self.norm if math.isfinite(self.norm) else None,
            "learning_rate": self.schedule.rate(step),
        }
        commit_bytes(path, json.dumps(diagnosis, indent=1).encode())

    def finish(self) -> None:
        """Give the module the weights that are kept: the average where there is one."""
        if self.state.average is not None:
            self.module.load_state_dict(self.state.average.module.state_dict())
        self.module.to("cpu").eval()


def _check_means(device: torch.device, options: TrainingOptions) -> None:
    if options.precision == "fp16" and device.type != "cuda":
        must = "must be bf16 or fp32 on this device: fp16 needs CUDA"
        raise MissingError("precision", must, got=f"fp16 on {device}", advice="Use auto.")
    names = filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++"))
    if options.compile and device.type == "cpu" and not any(map(shutil.which, names)):
        advice = "Install g++, or leave compile out."
        raise MissingError("compile", "needs a C++ compiler", got="there is none", advice=advice)


def _say_differences(
    differs: tuple[str, ...], checkpoint: Path, description: str, require_exact: bool, progress: Progress
) -> None:
    """Say what the process computes on now and did not then: the same bits are not promised, which may be an error."""
    if differs and require_exact:
        raise InputError(
            str(checkpoint),
            "must be resumed on what it was written on, for the same bits",
            got="; ".join(differs),
            advice="Leave out --require-exact to go on without that promise.",
        )
    if differs:
        progress.say(f"  {description}: resumed, but not bit for bit: {'; '.join(differs)}")


def _checkpoint_seconds() -> float:
    """Seconds between checkpoints; the variable is for tests, whose trainings are short."""
    return float(os.environ.get("KDEPLOY_CHECKPOINT_SECONDS") or CHECKPOINT_SECONDS)
