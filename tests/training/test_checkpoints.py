from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file
from torch import nn

from kdeploy.errors import InputError
from kdeploy.training import checkpoints
from kdeploy.training.checkpoints import State


def state(scale: float) -> State:
    module = nn.Linear(2, 2)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return State(module, (torch.optim.AdamW(module.parameters(), fused=True),), scaler, None)


def test_the_scale_of_fp16_is_in_the_checkpoint(tmp_path: Path):
    checkpoints.write(tmp_path / "c", state(8.0), 3, 0.5, 7)
    fresh = state(1024.0)
    found = checkpoints.resume(tmp_path / "c", fresh)
    assert (found.step, found.loss, found.spent_ns, found.differs) == (3, 0.5, 7, ())
    assert fresh.scaler.get_scale() == 8.0


@pytest.mark.parametrize("name", ["kdeploy", "torch", "CPU capability", "threads", "processes"])
def test_everything_that_decides_the_last_bits_is_compared(tmp_path: Path, name: str):
    path = tmp_path / "c"
    checkpoints.write(path, state(8.0), 3, 0.5, 7)
    with safe_open(path, framework="pt") as stream:
        told = stream.metadata()
    environment = json.loads(told["environment"]) | {name: "other"}
    save_file(load_file(path), path, told | {"environment": json.dumps(environment)})
    now = checkpoints.environment()[name]
    assert checkpoints.resume(path, state(8.0)).differs == (f"{name} {now} instead of other",)


def test_a_checkpoint_that_does_not_say_where_it_is_from_is_none(tmp_path: Path):
    path, module = tmp_path / "c", nn.Linear(2, 2)
    tensors = {f"module.{name}": value.contiguous() for name, value in module.state_dict().items()}
    save_file(tensors, path, {"step": "1", "loss": "0.5"})
    optimizers = (torch.optim.AdamW(module.parameters()),)
    unscaled = State(module, optimizers, torch.amp.GradScaler("cpu", enabled=False), None)
    with pytest.raises(InputError) as caught:
        checkpoints.resume(path, unscaled)
    assert str(caught.value) == f"{path}: must be a checkpoint ('spent_ns'). Remove it to train from the start."


def test_the_tensors_of_another_version_are_not_passed_over(tmp_path: Path):
    path = tmp_path / "c"
    checkpoints.write(path, state(8.0), 3, 0.5, 7)
    with safe_open(path, framework="pt") as stream:
        told = stream.metadata()
    save_file(load_file(path) | {"optimizer.0.exp_avg": torch.zeros(2, 2)}, path, told)
    with pytest.raises(InputError) as caught:
        checkpoints.resume(path, state(8.0))
    assert str(caught.value) == (
        f"{path}: must be a checkpoint of tensors called module, optimizers, average (optimizer). "
        "Remove it to train from the start, or go on with the kdeploy that wrote it."
    )
