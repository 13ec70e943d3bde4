from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, safe_open, save
from torch import nn

from kdeploy.errors import InputError, IntegrityError
from kdeploy.system.sealed_tensors import sealed
from kdeploy.training import checkpoints
from kdeploy.training.checkpoints import State
from tests.altered import flip


def state(scale: float) -> State:
    module = nn.Linear(2, 2)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return State(module, (torch.optim.AdamW(module.parameters(), fused=True),), scaler, None)


def written(path: Path, tensors: dict[str, torch.Tensor], told: dict[str, str]) -> None:
    path.write_bytes(sealed(partial(save, tensors), told))


def resumed(path: Path, into: State) -> checkpoints.Resumed:
    """Resume where nothing is damaged."""
    said: list[str] = []
    found = checkpoints.resume(path, into, said.append)
    assert said == []
    return found


def test_the_scale_of_fp16_is_in_the_checkpoint(tmp_path: Path):
    checkpoints.write(tmp_path / "c", state(8.0), 3, 0.5, 7)
    fresh = state(1024.0)
    found = resumed(tmp_path / "c", fresh)
    assert (found.step, found.loss, found.spent_ns, found.differs) == (3, 0.5, 7, ())
    assert fresh.scaler.get_scale() == 8.0


@pytest.mark.parametrize("name", ["kdeploy", "torch", "CPU capability", "threads", "processes"])
def test_everything_that_decides_the_last_bits_is_compared(tmp_path: Path, name: str):
    path = tmp_path / "c"
    checkpoints.write(path, state(8.0), 3, 0.5, 7)
    with safe_open(path, framework="pt") as stream:
        told = stream.metadata()
    environment = json.loads(told["environment"]) | {name: "other"}
    written(path, load_file(path), told | {"environment": json.dumps(environment)})
    now = checkpoints.environment()[name]
    assert resumed(path, state(8.0)).differs == (f"{name} {now} instead of other",)


def test_a_checkpoint_that_does_not_say_where_it_is_from_is_none(tmp_path: Path):
    path, module = tmp_path / "c", nn.Linear(2, 2)
    tensors = {f"module.{name}": value.contiguous() for name, value in module.state_dict().items()}
    written(path, tensors, {"step": "1", "loss": "0.5"})
    optimizers = (torch.optim.AdamW(module.parameters()),)
    unscaled = State(module, optimizers, torch.amp.GradScaler("cpu", enabled=False), None)
    with pytest.raises(InputError) as caught:
        resumed(path, unscaled)
    assert str(caught.value) == f"{path}: must be a checkpoint ('spent_ns'). Remove it to train from the start."


def test_the_tensors_of_another_version_are_not_passed_over(tmp_path: Path):
    path = tmp_path / "c"
    checkpoints.write(path, state(8.0), 3, 0.5, 7)
    with safe_open(path, framework="pt") as stream:
        told = stream.metadata()
    written(path, load_file(path) | {"optimizer.0.exp_avg": torch.zeros(2, 2)}, told)
    with pytest.raises(InputError) as caught:
        resumed(path, state(8.0))
    assert str(caught.value) == (
        f"{path}: must be a checkpoint of tensors called module, optimizers, average (optimizer). "
        "Remove it to train from the start, or go on with the kdeploy that wrote it."
    )


def advanced(path: Path, *steps: int) -> dict[int, bytes]:
    """Write checkpoints after some steps; the weights that each holds."""
    weights = {}
    one = state(8.0)
    for step in steps:
        torch.nn.init.constant_(one.module.weight, step)
        checkpoints.write(path, one, step, 0.5, 7)
        weights[step] = one.module.weight.detach().numpy().tobytes()
    return weights


@pytest.mark.parametrize("place", [0, 3, 9, 40, -40, -1])
@pytest.mark.parametrize("bit", [0, 6])
def test_a_flipped_bit_in_the_newest_is_found_and_the_one_before_it_taken(tmp_path: Path, place: int, bit: int):
    said: list[str] = []
    path, fresh = tmp_path / "c", state(8.0)
    weights = advanced(path, 3, 4, 5)
    flip(path, place, bit)
    found = checkpoints.resume(path, fresh, said.append)
    assert (found.step, fresh.module.weight.detach().numpy().tobytes()) == (4, weights[4])
    [line] = said
    assert line.startswith(f"  {path}: must be a checkpoint as it was written (")
    assert line.endswith(
        "). The training goes on from the checkpoint before it; without one, remove it to train from the start."
    )
    # what is damaged is kept, and never becomes the one before the next
    advanced(path, 6)
    flip(path, place, bit)
    assert checkpoints.resume(path, state(8.0), said.append).step == 4


def test_where_all_are_damaged_none_is_taken(tmp_path: Path):
    advanced(tmp_path / "c", 3, 4)
    for name in ("c", "c.before"):
        flip(tmp_path / name, -1)
    with pytest.raises(IntegrityError) as caught:
        checkpoints.resume(tmp_path / "c", state(8.0), lambda _line: None)
    assert caught.value.where == str(tmp_path / "c.before")


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_checkpoint_that_was_cut_off_is_damaged(tmp_path: Path, length: int):
    said: list[str] = []
    path = tmp_path / "c"
    advanced(path, 3, 4)
    path.write_bytes(path.read_bytes()[:length])
    assert checkpoints.resume(path, state(8.0), said.append).step == 3
    assert len(said) == 1


def test_a_training_that_is_done_leaves_no_checkpoint(tmp_path: Path):
    advanced(tmp_path / "c", 3, 4)
    flip(tmp_path / "c", -1)
    checkpoints.resume(tmp_path / "c", state(8.0), lambda _line: None)
    checkpoints.remove(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
