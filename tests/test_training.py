from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from kdeploy.errors import InputError, Interrupted, MissingError, NonFiniteError
from kdeploy.progress import Progress
from kdeploy.records.teacher import Training
from kdeploy.training import BatchPlan, Schedule, device_named, software, train

CPU = torch.device("cpu")
STEPS = 12
PLAN = BatchPlan(samples=20, batch=6, seed=1)
IMAGES = torch.rand(20, 2, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take a hundred times longer than nets this small."""
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
) -> Training:
    return train(
        module,
        loss,
        Schedule(STEPS, 1e-2, weight_decay=1e-3),
        device=device,
        precision=precision,
        checkpoint=checkpoint,
        progress=progress or Progress(),
        description="net",
    )


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: value.contiguous().numpy().tobytes() for name, value in module.state_dict().items()}


def test_the_rate_rises_over_the_first_steps_and_falls_to_nothing():
    schedule = Schedule(steps=100, learning_rate=0.4)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.4 / 15, rel=1e-12)
    assert rates[14] == rates[15] == 0.4
    assert rates[15 + 85 // 2] == pytest.approx(0.2, rel=0.02)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert all(one < other for one, other in pairwise(rates[:15]))
    assert all(one > other for one, other in pairwise(rates[15:]))


@given(steps=st.integers(1, 200))
def test_every_step_of_every_schedule_moves_and_none_above_the_rate(steps: int):
    schedule = Schedule(steps, learning_rate=0.1)
    rates = [schedule.rate(step) for step in range(steps)]
    assert max(rates) == pytest.approx(0.1, rel=1e-12)
    assert min(rates) > 0


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


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("steps", [1, 5, STEPS])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path: Path, precision: str, steps: int):
    whole, checkpoint = net(), tmp_path / "checkpoint"
    expected = trained(whole, tmp_path / "never", precision=precision)
    assert not (tmp_path / "never").exists()
    stopped = net()
    with pytest.raises(Interrupted):
        trained(stopped, checkpoint, precision=precision, progress=Interrupting(steps))
    resumed = net()
    with torch.no_grad():
        resumed[4].weight.zero_()  # everything must come from the checkpoint
    found = trained(resumed, checkpoint, precision=precision)
    assert bits(resumed) == bits(whole)
    assert found.final_loss == expected.final_loss


def test_a_resumed_training_does_only_the_steps_that_are_left(tmp_path: Path):
    with pytest.raises(Interrupted):
        trained(net(), tmp_path / "checkpoint", progress=Interrupting(5))
    counting = Interrupting(steps=100)
    trained(net(), tmp_path / "checkpoint", progress=counting)
    assert 100 - counting.left == STEPS - 5


def test_one_process_trains_in_one_precision_and_then_in_another(tmp_path: Path):
    half, whole = net(), net()
    trained(half, tmp_path / "a", precision="bf16")
    trained(whole, tmp_path / "b", precision="fp32")
    assert bits(half) != bits(whole)


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "checkpoint"
    path.write_bytes(b"not one")
    with pytest.raises(InputError) as caught:
        trained(net(), path)
    assert str(caught.value) == (
        f"{path}: must be a checkpoint ({caught.value.__cause__}). Remove it to train from the start."
    )


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    seen: dict[int, dict[str, bytes]] = {}

    def broken(part: nn.Module, step: int) -> Tensor:
        seen[step] = bits(module)
        return part(IMAGES[:6]).square().mean() * (torch.nan if step == 3 else 1)

    arguments = {"device": CPU, "precision": "fp32", "checkpoint": tmp_path / "c", "description": "net"}
    with pytest.raises(NonFiniteError) as caught:
        train(module, broken, Schedule(5, 1e-2), progress=Progress(), **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "training step 3: loss and gradient must be finite (loss nan, gradient norm nan). "
        "Lower the learning rate (lr), or look for broken inputs or labels."
    )
    assert seen[2] != seen[3] == bits(module)
    assert not (tmp_path / "c").exists()


def test_a_finite_loss_with_a_gradient_that_is_not_stops_too(tmp_path: Path):
    module = nn.Linear(1, 1, bias=False)

    def broken(part: nn.Module, step: int) -> Tensor:
        return (part(torch.ones(1, 1)) * 0).abs().sqrt().sum()  # the slope of a root at 0

    arguments = {"device": CPU, "precision": "fp32", "checkpoint": tmp_path / "c", "description": "net"}
    with pytest.raises(NonFiniteError) as caught:
        train(module, broken, Schedule(5, 1e-2), progress=Progress(), **arguments)  # type: ignore[arg-type]
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
    """A net that draws from torch's generator, as a user's own may."""
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
        schedule = Schedule(STEPS, 1e-2, seed=seed)
        train(
            module,
            loss,
            schedule,
            device=CPU,
            precision="fp32",
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
        Schedule(STEPS, 1e-2),
        device=CPU,
        precision="fp32",
        checkpoint=tmp_path / "c",
        progress=Progress(),
        description="net",
        watch=lambda watched, done: seen.append((done, watched is module)),
    )
    assert seen == [(done, True) for done in range(1, STEPS + 1)]
