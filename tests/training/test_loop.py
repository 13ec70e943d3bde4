from __future__ import annotations

import copy
import json
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, safe_open, save
from torch import Tensor, nn
from torch.nn import functional

from kdeploy.errors import InputError, IntegrityError, Interrupted, MissingError, NonFiniteError
from kdeploy.records.teacher import Training
from kdeploy.system.progress import Progress
from kdeploy.system.sealed_tensors import sealed
from kdeploy.training.loop import BatchPlan, Loss, device_named, software, train
from kdeploy.training.options import TrainingOptions
from kdeploy.training.schedules import Schedule

CPU = torch.device("cpu")
STEPS = 12
USUAL = TrainingOptions(lr=1e-2, weight_decay=1e-3)
AVERAGED = replace(USUAL, schedule="linear", lr_warm_up=0.25, clip=0.1, ema=0.9)
MOMENTUM, ORTHOGONAL = replace(USUAL, optimizer="sgd"), replace(USUAL, optimizer="muon")
PLAN = BatchPlan(samples=20, batch=6, seed=1)
IMAGES = torch.rand(20, 2, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take a hundred times longer than networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Interrupting(Progress):
    """A signal that comes in the step after `steps` of them."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def shield(self) -> Iterator[None]:
        yield
        self.left -= 1
        if self.left == 0:
            raise Interrupted("training", signal.SIGINT)


def net() -> nn.Sequential:
    """Convolution, batch norm and a dense layer, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def loss(module: nn.Module, step: int) -> Tensor:
    _, rows = PLAN.at(step)
    device = next(module.parameters()).device
    return functional.cross_entropy(module(IMAGES[rows].to(device)).float(), LABELS[rows].to(device))


def trained(
    module: nn.Module,
    checkpoint: Path,
    *,
    precision: str = "fp32",
    progress: Progress | None = None,
    device: torch.device = CPU,
    options: TrainingOptions = USUAL,
    loss: Loss = loss,
) -> Training:
    return train(
        module,
        loss,
        Schedule(STEPS, replace(options, precision=precision)),
        device=device,
        checkpoint=checkpoint,
        progress=progress or Progress(),
        description="net",
        samples=lambda step: 100 + PLAN.at(step)[1].numpy(),
    )


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: value.contiguous().numpy().tobytes() for name, value in module.state_dict().items()}


@given(samples=st.integers(1, 60), batch=st.integers(1, 70), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_the_batches_of_an_epoch_are_cut_from_one_permutation(samples: int, batch: int, seed: int, epoch: int):
    plan = BatchPlan(samples, batch, seed)
    steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
    found = [plan.at(step) for step in steps]
    rows = torch.cat([rows for _, rows in found])
    assert {number for number, _ in found} == {epoch}
    assert {len(rows) for _, rows in found} == {min(batch, samples)}
    assert len(rows.unique()) == len(rows) == samples - samples % plan.size
    assert rows.min() >= 0
    assert rows.max() < samples


def test_a_batch_depends_on_its_step_alone():
    asked = [PLAN.at(step)[1] for step in (7, 0, 7)]
    assert torch.equal(asked[0], asked[2])
    assert torch.equal(asked[1], BatchPlan(20, 6, 1).at(0)[1])


def test_another_epoch_or_another_seed_is_another_order():
    plan, other = BatchPlan(50, 50, 0), BatchPlan(50, 50, 1)
    assert not torch.equal(plan.at(0)[1], plan.at(1)[1])
    assert not torch.equal(plan.at(0)[1], other.at(0)[1])


def test_training_lowers_the_loss_and_leaves_the_net_ready_on_the_cpu(tmp_path: Path):
    module = net()
    before = float(loss(module, 0).detach())
    found = trained(module, tmp_path / "checkpoint")
    assert found.steps == STEPS
    assert found.final_loss < before
    assert found.duration_ns > 0
    assert not module.training
    assert next(module.parameters()).device == CPU


def test_training_twice_gives_the_same_bits(tmp_path: Path):
    one, other = net(), net()
    trained(one, tmp_path / "checkpoint")
    trained(other, tmp_path / "checkpoint")
    assert bits(one) == bits(other)
    assert bits(one) != bits(net())


@pytest.mark.parametrize(
    ("precision", "options"),
    [("fp32", USUAL), ("bf16", USUAL), ("fp32", AVERAGED), ("fp32", MOMENTUM), ("bf16", ORTHOGONAL)],
)
@pytest.mark.parametrize("steps", [1, 5, STEPS])
def test_a_resumed_training_ends_with_the_same_bits(
    tmp_path: Path, precision: str, options: TrainingOptions, steps: int
):
    whole, checkpoint = net(), tmp_path / "checkpoint"
    expected = trained(whole, tmp_path / "never", precision=precision, options=options)
    assert not (tmp_path / "never").exists()
    stopped = net()
    with pytest.raises(Interrupted):
        trained(stopped, checkpoint, precision=precision, options=options, progress=Interrupting(steps))
    resumed = net()
    with torch.no_grad():
        resumed[4].weight.zero_()  # everything must come from the checkpoint
    found = trained(resumed, checkpoint, precision=precision, options=options)
    assert found.resume_exact
    assert bits(resumed) == bits(whole)
    assert found.final_loss == expected.final_loss
    assert found.losses == expected.losses and len(found.losses) > 1


def test_a_training_that_is_resumed_after_any_of_twenty_drawn_steps_ends_with_the_same_bits(tmp_path: Path):
    steps, plan = 60, PLAN
    draws = random.Random(19)

    def through(module: nn.Module, checkpoint: Path, progress: Progress) -> None:
        schedule = Schedule(steps, replace(AVERAGED, threads=2))
        train(module, loss, schedule, device=CPU, checkpoint=checkpoint, progress=progress, description="net")

    whole = net()
    through(whole, tmp_path / "never", Progress())
    stops = draws.sample(range(1, steps), 20)
    assert any(step % plan.steps_per_epoch for step in stops)  # in the middle of an epoch as well
    for step in stops:
        with pytest.raises(Interrupted):
            through(net(), tmp_path / f"{step}", Interrupting(step))
        resumed = net()
        through(resumed, tmp_path / f"{step}", Progress())
        assert bits(resumed) == bits(whole), step


def test_a_resumed_training_does_only_the_steps_that_are_left(tmp_path: Path):
    with pytest.raises(Interrupted):
        trained(net(), tmp_path / "checkpoint", progress=Interrupting(5))
    counting = Interrupting(steps=100)
    trained(net(), tmp_path / "checkpoint", progress=counting)
    assert 100 - counting.left == STEPS - 5


def test_the_time_of_a_resumed_training_is_that_of_all_its_processes(tmp_path: Path):
    with pytest.raises(Interrupted):
        trained(net(), tmp_path / "checkpoint", progress=Interrupting(5))
    with safe_open(tmp_path / "checkpoint", framework="pt") as stream:
        told = stream.metadata()
    hour = 3_600_000_000_000
    assert 0 < int(told["spent_ns"]) < hour
    tensors = load_file(tmp_path / "checkpoint")
    (tmp_path / "checkpoint").write_bytes(sealed(partial(save, tensors), told | {"spent_ns": str(hour)}))
    found = trained(net(), tmp_path / "checkpoint")
    assert hour < found.duration_ns < 2 * hour


def test_one_process_trains_in_one_precision_and_then_in_another(tmp_path: Path):
    half, whole = net(), net()
    trained(half, tmp_path / "a", precision="bf16")
    trained(whole, tmp_path / "b", precision="fp32")
    assert bits(half) != bits(whole)


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "checkpoint"
    path.write_bytes(b"not one")
    with pytest.raises(IntegrityError) as caught:
        trained(net(), path)
    assert str(caught.value) == (
        f"{path}: must be a checkpoint as it was written (it has no seal). The training goes on from the checkpoint "
        "before it; without one, remove it to train from the start."
    )


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    seen: dict[int, dict[str, bytes]] = {}

    def broken(part: nn.Module, step: int) -> Tensor:
        seen[step] = bits(module)
        return part(IMAGES[:6]).square().mean() * (torch.nan if step == 3 else 1)

    arguments: dict[str, Any] = {"device": CPU, "checkpoint": tmp_path / "c", "description": "net"}
    with pytest.raises(NonFiniteError) as caught:
        train(module, broken, Schedule(5, TrainingOptions(lr=1e-2)), progress=Progress(), **arguments)
    assert str(caught.value) == (
        "training step 3: loss and gradient must be finite (loss nan, gradient norm nan). "
        "Lower the learning rate (lr), or look for broken inputs or labels."
    )
    assert seen[2] != seen[3] == bits(module)
    assert not (tmp_path / "c").exists()
    assert json.loads((tmp_path / "diagnostics.json").read_bytes())["samples"] is None


def test_a_step_that_fails_leaves_what_is_known_about_it(tmp_path: Path):
    def broken(part: nn.Module, step: int) -> Tensor:
        return loss(part, step) * (torch.nan if step == 3 else 1)

    with pytest.raises(NonFiniteError):
        trained(net(), tmp_path / "c", loss=broken)
    assert json.loads((tmp_path / "diagnostics.json").read_bytes()) == {
        "step": 3,
        "samples": (100 + PLAN.at(3)[1]).tolist(),
        "gradient_norm": None,
        "learning_rate": Schedule(STEPS, USUAL).rate(3),
    }


def test_a_process_that_dies_goes_on_from_its_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def dying(part: nn.Module, step: int) -> Tensor:
        if step == 7:  # the second step of the third epoch
            raise RuntimeError("the end")
        return loss(part, step)

    whole, resumed = net(), net()
    trained(whole, tmp_path / "whole")
    monkeypatch.setenv("KDEPLOY_CHECKPOINT_SECONDS", "0")
    with pytest.raises(RuntimeError, match="the end"):
        trained(net(), tmp_path / "c", loss=dying)
    counting = Interrupting(steps=100)
    trained(resumed, tmp_path / "c", progress=counting)
    assert 100 - counting.left == STEPS - 7
    assert bits(resumed) == bits(whole)


def test_a_moving_average_becomes_the_weights(tmp_path: Path):
    module, seen = nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), []

    def watching(part: nn.Module, step: int) -> Tensor:
        seen.append(module[1].weight.detach().clone())
        return functional.cross_entropy(part(IMAGES[PLAN.at(step)[1]]), LABELS[PLAN.at(step)[1]])

    other = copy.deepcopy(module)
    trained(other, tmp_path / "a", loss=watching_nothing)
    trained(module, tmp_path / "b", loss=watching, options=replace(USUAL, ema=0.75))
    expected = seen[1]
    for weights in [*seen[2:], other[1].weight.detach()]:
        expected = 0.75 * expected + 0.25 * weights
    # twelve roundings of weights below 1
    torch.testing.assert_close(module[1].weight.detach(), expected, rtol=0, atol=1e-6)


def watching_nothing(part: nn.Module, step: int) -> Tensor:
    return functional.cross_entropy(part(IMAGES[PLAN.at(step)[1]]), LABELS[PLAN.at(step)[1]])


@pytest.mark.parametrize("clip", [0.1, 1e6, None])
def test_gradients_are_clipped_as_torch_clips_them(tmp_path: Path, clip: float | None):
    module, other = net(), net()
    schedule = Schedule(STEPS, USUAL)
    trained(module, tmp_path / "c", options=replace(USUAL, clip=clip))
    other.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(other.parameters(), lr=1e-2, weight_decay=1e-3, fused=True)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = schedule.rate(step)
        optimizer.zero_grad()
        loss(other, step).backward()
        nn.utils.clip_grad_norm_(other.parameters(), 1e9 if clip is None else clip)
        optimizer.step()
    assert bits(module) == bits(other)


def test_fp16_needs_cuda(tmp_path: Path):
    with pytest.raises(MissingError) as caught:
        trained(net(), tmp_path / "c", precision="fp16")
    assert str(caught.value) == (
        "precision: must be bf16 or fp32 on this device: fp16 needs CUDA (fp16 on cpu). Use auto."
    )


def test_compiling_needs_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MissingError) as caught:
        trained(net(), tmp_path / "c", options=replace(USUAL, compile=True))
    assert str(caught.value) == ("compile: needs a C++ compiler (there is none). Install g++, or leave compile out.")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of what its compiler imports
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler")
def test_a_compiled_net_learns_the_same(tmp_path: Path):
    plain, compiled = net(), net()
    expected = trained(plain, tmp_path / "a")
    found = trained(compiled, tmp_path / "b", options=replace(USUAL, compile=True))
    assert set(compiled.state_dict()) == set(plain.state_dict())
    # twelve steps that differ by rounding alone
    assert found.final_loss == pytest.approx(expected.final_loss, rel=1e-3)


class Saying(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_checkpoint_of_other_threads_is_resumed_and_said(tmp_path: Path):
    saying, path = Saying(), tmp_path / "c"
    with pytest.raises(Interrupted):
        trained(net(), path, progress=Interrupting(5))
    torch.set_num_threads(2)
    with pytest.raises(InputError) as caught:
        trained(net(), path, options=replace(USUAL, require_exact=True))
    assert str(caught.value) == (
        f"{path}: must be resumed on what it was written on, for the same bits (threads 2 instead of 1). "
        "Leave out --require-exact to go on without that promise."
    )
    assert not trained(net(), path, progress=saying).resume_exact
    assert saying.said == ["  net: resumed, but not bit for bit: threads 2 instead of 1"]


def test_a_finite_loss_with_a_gradient_that_is_not_stops_too(tmp_path: Path):
    module = nn.Linear(1, 1, bias=False)

    def broken(part: nn.Module, step: int) -> Tensor:
        return (part(torch.ones(1, 1)) * 0).abs().sqrt().sum()  # the slope of a root at 0

    arguments: dict[str, Any] = {"device": CPU, "checkpoint": tmp_path / "c", "description": "net"}
    with pytest.raises(NonFiniteError) as caught:
        train(module, broken, Schedule(5, TrainingOptions(lr=1e-2)), progress=Progress(), **arguments)
    assert str(caught.value) == (
        "training step 0: loss and gradient must be finite (loss 0.0, gradient norm nan). "
        "Lower the learning rate (lr), or look for broken inputs or labels."
    )


def test_auto_is_always_a_device_of_this_machine():
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_named("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_here_is_an_error(name: str):
    if name.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    if name == "mps" and sys.platform == "darwin":
        pytest.skip("this machine may have MPS")
    with pytest.raises(MissingError) as caught:
        device_named(name)
    assert str(caught.value) == f"distill.device: must be a device of this machine ({name}). Use auto."


def test_the_software_names_device_precision_and_versions():
    found = software(CPU, "bf16")
    assert (found.device, found.precision, found.threads) == ("cpu", "bf16", torch.get_num_threads())
    assert found.versions["numpy"] == np.__version__


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: this machine has none")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cuda_trains_as_the_cpu_does_and_resumes(tmp_path: Path, precision: str):
    device, host, whole, resumed = torch.device("cuda"), net(), net(), net()
    expected = trained(host, tmp_path / "a", precision=precision)
    found = trained(whole, tmp_path / "b", precision=precision, device=device)
    assert next(whole.parameters()).device == CPU
    # 12 steps from the same weights: rounding alone tells them apart, 8 bits of it in bfloat16
    assert found.final_loss == pytest.approx(expected.final_loss, rel=0.02 if precision == "fp32" else 0.1)
    with pytest.raises(Interrupted):
        trained(net(), tmp_path / "c", precision=precision, progress=Interrupting(5), device=device)
    again = trained(resumed, tmp_path / "c", precision=precision, device=device)
    assert again.final_loss == pytest.approx(found.final_loss, rel=1e-3)


def dropping() -> nn.Sequential:
    """A network that draws from torch's generator, as a user's own may."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(128, 50), nn.Dropout(0.5), nn.Linear(50, 3))


def test_a_net_with_dropout_that_was_interrupted_ends_with_the_same_bits(tmp_path: Path):
    whole, resumed = dropping(), dropping()
    trained(whole, tmp_path / "whole")
    with pytest.raises(Interrupted):
        trained(resumed, tmp_path / "part", progress=Interrupting(5))
    torch.rand(7)  # whatever was drawn in between
    again = dropping()
    trained(again, tmp_path / "part")
    assert bits(again) == bits(whole)


def test_the_seed_of_a_schedule_decides_what_dropout_leaves_out(tmp_path: Path):
    found = []
    for number, seed in enumerate((0, 0, 1)):
        module = dropping()
        schedule = Schedule(STEPS, TrainingOptions(lr=1e-2), seed)
        train(
            module,
            loss,
            schedule,
            device=CPU,
            checkpoint=tmp_path / str(number),
            progress=Progress(),
            description="net",
        )
        found.append(bits(module))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_the_watch_sees_the_net_after_each_step(tmp_path: Path):
    seen: list[tuple[int, bool]] = []
    module = net()
    train(
        module,
        loss,
        Schedule(STEPS, TrainingOptions(lr=1e-2)),
        device=CPU,
        checkpoint=tmp_path / "c",
        progress=Progress(),
        description="net",
        watch=lambda watched, done, loss: seen.append((done, watched is module and loss > 0)),
    )
    assert seen == [(done, True) for done in range(1, STEPS + 1)]
