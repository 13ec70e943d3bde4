"""The one training loop, shared by teacher and student.

Everything a step reads is a pure function of its number: the batch, its view, the learning rate, and torch's generator,
which is seeded anew for each step, so that dropout is such a function too. So the state is the weights, the optimizer
and the step, and a run resumed from a checkpoint ends with the same bits as one that was not interrupted (same torch,
threads and processor).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save
from torch import Tensor, nn

from kdeploy import machine
from kdeploy.errors import InputError, Interrupted, MissingError, NonFiniteError
from kdeploy.progress import Progress
from kdeploy.records.software import Software
from kdeploy.records.teacher import Training
from kdeploy.samples.mixing import mix
from kdeploy.store import commit_bytes

CHECKPOINT_SECONDS = 15.0
WARM_UP = 0.15  # of all steps


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW, learning rate up over the first 15 % of the steps, then down to 0 as a cosine."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    clip_norm: float = 5.0
    seed: int = 0  # of what the module draws itself, such as dropout

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 the first."""
        warm = max(1, math.ceil(WARM_UP * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class BatchPlan:
    """Which samples a step reads: each epoch is a permutation of its own, cut into whole batches.

    Args:
        samples: how many there are.
        batch: samples a step; all of them when there are fewer.
        seed: of the permutations.
    """

    samples: int
    batch: int
    seed: int

    @property
    def size(self) -> int:
        return min(self.batch, self.samples)

    @property
    def steps_per_epoch(self) -> int:
        return self.samples // self.size

    def at(self, step: int) -> tuple[int, Tensor]:
        """The epoch of a step, and the positions it reads, int64 of shape (size,)."""
        epoch, part = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.samples)
        return epoch, torch.from_numpy(order[part * self.size : (part + 1) * self.size])


Loss = Callable[[nn.Module, int], Tensor]  # the module and the step's number, to a scalar
Watch = Callable[[nn.Module, int], None]  # the module and how many steps are done


def device_named(name: str) -> torch.device:
    """The device of a recipe's `device`; `auto` is CUDA where there is one, else the CPU.

    Raises: MissingError for a device asked for by name that is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    here = {"cpu": True, "mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if not here[name.partition(":")[0]]:
        raise MissingError("distill.device", "must be a device of this machine", got=name, advice="Use auto.")
    return torch.device(name)


def software(device: torch.device, precision: str) -> Software:
    """What this process computes on."""
    return Software(
        device=str(device),
        threads=torch.get_num_threads(),
        precision=precision,
        versions=machine.library_versions(("kdeploy", "torch", "numpy", "accelerate", "onnxruntime")),
    )


def train(  # noqa: PLR0913 - one call for all there is to say of a training
    module: nn.Module,
    loss: Loss,
    schedule: Schedule,
    *,
    device: torch.device,
    precision: str,
    checkpoint: Path,
    progress: Progress,
    description: str,
    watch: Watch = lambda _module, _done: None,
) -> Training:
    """Train a module in place, on from the checkpoint when there is one.

    Args:
        module: trained in place; on the CPU and in evaluation mode afterwards.
        loss: gives the loss of one step; called under autocast.
        precision: "bf16" or "fp32".
        checkpoint: a file that is written every 15 seconds and removed at the end.
        description: what the progress bar says.
        watch: called after each step; it leaves weights and mode as they are. A step whose checkpoint was not written
            yet when the training stopped is watched again.
    Raises: NonFiniteError before a step would use a loss that is not finite; Interrupted after a checkpoint.
    """
    # accelerate keeps the precision of a process's first training, and refuses a second one in another precision
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        mixed_precision="bf16" if precision == "bf16" else "no",
        cpu=device.type == "cpu",
        step_scheduler_with_optimizer=False,
    )
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    optimizer = torch.optim.AdamW(module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    prepared, prepared_optimizer = accelerator.prepare(module, optimizer)
    first, value = _resume(checkpoint, module, optimizer)
    prepared.train()
    started, saved = time.monotonic_ns(), time.monotonic()
    step = first
    with progress.task(description, schedule.steps) as advance:
        advance(first)
        try:
            while step < schedule.steps:
                with progress.shield():
                    torch.manual_seed(mix(mix(schedule.seed) + step))
                    value = _step(accelerator, prepared, prepared_optimizer, loss, schedule, step)
                    step += 1
                    watch(module, step)
                advance(step)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    _save(checkpoint, module, optimizer, step, value)
                    saved = time.monotonic()
        except Interrupted:
            _save(checkpoint, module, optimizer, step, value)
            raise
    module.to("cpu").eval()
    return Training(steps=schedule.steps, final_loss=value, duration_ns=time.monotonic_ns() - started)


def _step(
    accelerator: Accelerator,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    schedule: Schedule,
    step: int,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = schedule.rate(step)
    optimizer.zero_grad(set_to_none=True)
    with accelerator.autocast():
        found = loss(module, step)
    accelerator.backward(found)
    norm = accelerator.clip_grad_norm_(module.parameters(), schedule.clip_norm)
    value = float(found.detach())
    if not (math.isfinite(value) and math.isfinite(float(norm))):
        raise NonFiniteError(
            f"training step {step}",
            "loss and gradient must be finite",
            got=f"loss {value}, gradient norm {float(norm)}",
            advice="Lower the learning rate (lr), or look for broken inputs or labels.",
        )
    optimizer.step()
    return value


def _save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int, value: float) -> None:
    """Weights, optimizer, step and its loss in one safetensors file, replaced atomically."""
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    content = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    commit_bytes(path, save(content, metadata={"step": str(step), "loss": repr(value)}))


def _resume(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Load a checkpoint if there is one; returns the number of steps done, and the loss of the last."""
    if not path.exists():
        return 0, math.nan
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            step, last = int(stream.metadata()["step"]), float(stream.metadata()["loss"])
        tensors = load_file(path)
    except Exception as exc:
        raise InputError(
            str(path), "must be a checkpoint", got=str(exc), advice="Remove it to train from the start."
        ) from exc
    module.load_state_dict({name[7:]: value for name, value in tensors.items() if name.startswith("module.")})
    whole = optimizer.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            whole["state"].setdefault(int(number), {})[key] = value
    optimizer.load_state_dict(whole)
    return step, last
