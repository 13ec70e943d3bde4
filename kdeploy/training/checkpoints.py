"""A training on disk: everything that the next step reads and that is not a function of its number.

    module.*  optimizers.*  average.*    tensors of one safetensors file
    step, loss, losses, spent_ns,
    scaler, environment                  its metadata; what the process computed on decides the last bits

The file is sealed, and the one before it is kept: a training goes on from that where the newest was damaged.

Bit-identical when torch version, CPU capability, thread count, number of processes and kdeploy version are those in the
checkpoint; otherwise resuming goes on, and says which differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from kdeploy import __version__
from kdeploy.errors import InputError, IntegrityError
from kdeploy.system import distributed
from kdeploy.system.files import commit_bytes
from kdeploy.system.sealed_tensors import read_sealed, sealed

KINDS = ("module", "optimizers", "average")


@dataclass(frozen=True)
class State:
    """What a checkpoint holds; `average` is None without a moving average."""

    module: nn.Module
    optimizers: tuple[torch.optim.Optimizer, ...]
    scaler: torch.amp.GradScaler
    average: AveragedModel | None


@dataclass(frozen=True)
class Resumed:
    """The number of steps done, the loss of the last, the time they took, and what is not as it was then."""

    step: int = 0
    loss: float = math.nan
    spent_ns: int = 0
    differs: tuple[str, ...] = ()
    losses: tuple[float, ...] = ()


def environment() -> dict[str, str]:
    """What the bits of a step depend on besides the state."""
    return {
        "kdeploy": __version__,
        "torch": torch.__version__,
        "CPU capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "processes": str(distributed.count()),
    }


def write(path: Path, state: State, step: int, loss: float, spent_ns: int, losses: Sequence[float] = ()) -> None:
    """Everything in one file, replaced atomically; the one that was there becomes the one before it.

    Args:
        losses: the sums of `kdeploy.training.course`.
    """
    tensors = _tensors("module", state.module)
    if state.average is not None:
        tensors |= _tensors("average", state.average)
    for place, optimizer in enumerate(state.optimizers):
        for number, moments in optimizer.state_dict()["state"].items():
            prefix = f"optimizers.{place}.{number}"
            tensors |= {f"{prefix}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    content = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    values = {"scaler": state.scaler.state_dict(), "environment": environment(), "losses": list(losses)}
    metadata = {"step": str(step), "loss": repr(loss), "spent_ns": str(spent_ns)}
    metadata |= {key: json.dumps(value) for key, value in values.items()}
    if path.exists():
        path.replace(before(path))
    commit_bytes(path, sealed(lambda values: save(content, values), metadata))


def before(path: Path) -> Path:
    """The checkpoint before another."""
    return path.with_name(f"{path.name}.before")


def damaged(path: Path) -> Path:
    """Where a damaged checkpoint is kept."""
    return path.with_name(f"{path.name}.damaged")


def remove(path: Path) -> None:
    """Remove the checkpoint of a training that is done, with those beside it."""
    for one in (damaged(path), before(path), path):
        one.unlink(missing_ok=True)


def resume(path: Path, state: State, say: Callable[[str], None]) -> Resumed:
    """Load a checkpoint into the state, if there is one: the newest that is as it was written.

    Args:
        say: is told of a damaged one that is passed over; it is kept under another name.
    Raises: InputError for one that is none, or holds what this version does not know; IntegrityError when there are
        some, and all are damaged.
    """
    there = [one for one in (path, before(path)) if one.exists()]
    for number, one in enumerate(there, start=1):
        try:
            return _resumed(one, state)
        except IntegrityError as exc:
            if number == len(there):
                raise
            say(f"  {exc}")
            one.replace(damaged(path))
    return Resumed()


def _resumed(path: Path, state: State) -> Resumed:
    advice = "The training goes on from the checkpoint before it; without one, remove it to train from the start."
    content, metadata = read_sealed(path, must="must be a checkpoint as it was written", advice=advice)
    try:
        tensors = load(content)
        step, loss, spent_ns = int(metadata["step"]), float(metadata["loss"]), int(metadata["spent_ns"])
        losses = tuple(map(float, json.loads(metadata["losses"])))
    except Exception as exc:
        raise InputError(
            str(path), "must be a checkpoint", got=str(exc), advice="Remove it to train from the start."
        ) from exc
    unknown = sorted({name.partition(".")[0] for name in tensors} - set(KINDS))
    if unknown:  # by another version, whose moments would be lost without a word
        must = f"must be a checkpoint of tensors called {', '.join(KINDS)}"
        advice = "Remove it to train from the start, or go on with the kdeploy that wrote it."
        raise InputError(str(path), must, got=", ".join(unknown), advice=advice)
    state.module.load_state_dict(_part(tensors, "module"))
    if state.average is not None:
        state.average.load_state_dict(_part(tensors, "average"))
    for place, optimizer in enumerate(state.optimizers):
        optimizer.load_state_dict(_optimizer(optimizer, _part(tensors, f"optimizers.{place}")))
    state.scaler.load_state_dict(json.loads(metadata["scaler"]))
    return Resumed(step, loss, spent_ns, _differences(json.loads(metadata["environment"])), losses)


def _tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> dict[str, Any]:
    whole = optimizer.state_dict()
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    for name, value in tensors.items():
        number, key = name.split(".", 1)
        like = parameters[int(number)]
        # the fused optimizer walks over memory: moments must lie in it as their weights do
        laid = torch.empty_like(like, device="cpu").copy_(value) if value.shape == like.shape else value
        whole["state"].setdefault(int(number), {})[key] = laid
    return whole


def _differences(earlier: dict[str, str]) -> tuple[str, ...]:
    """What the process computes on and did not then, as `threads 1 instead of 2`."""
    return tuple(
        f"{name} {value} instead of {earlier.get(name, 'unknown')}"
        for name, value in environment().items()
        if earlier.get(name) != value
    )
