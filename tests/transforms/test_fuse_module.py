from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kdeploy.transforms.fuse_module import fuse_module
from tests.transforms.chains import drawn, error, operators

# float32 sums of up to 40 products in another order
TOLERANCE = 2e-5


class Own(nn.Module):
    """A module of somebody's own; `between` is called on what the first layer gives."""

    def __init__(self, sizes: tuple[int, int, int] = (6, 20, 5), *, bias: bool = True) -> None:
        super().__init__()
        first, second = nn.Linear(*sizes[:2], bias=bias), nn.Linear(*sizes[1:], bias=bias)
        self.first, self.second = drawn(first, second)
        self.eval()

    def between(self, hidden: Tensor) -> Tensor:
        return hidden

    def forward(self, batch: Tensor) -> Tensor:
        return torch.relu(self.second(self.between(self.first(batch)))) + 1


class ReadTwice(Own):
    def forward(self, batch: Tensor) -> Tensor:
        hidden = self.first(batch)
        return self.second(hidden) + hidden.sum(1, keepdim=True)


class Activated(Own):
    def between(self, hidden: Tensor) -> Tensor:
        return torch.relu(hidden)


class Branches(Own):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden if hidden.sum() > 0 else -hidden


class Scaled(nn.Linear):
    """A layer that says it is linear, and does more."""

    def forward(self, batch: Tensor) -> Tensor:
        return 2 * super().forward(batch)


class Three(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = drawn(nn.Linear(4, 20), nn.Linear(20, 20), nn.Linear(20, 3))
        self.fused_1 = nn.ReLU()  # a name that is taken

    def forward(self, batch: Tensor) -> Tensor:
        found: Tensor = self.fused_1(self.layers(batch))
        return found


def test_a_pair_above_the_break_even_becomes_one_layer(tmp_path: Path):
    module = Own()
    outcome = fuse_module(module)
    assert outcome.done
    assert outcome.reason == "one layer in place of 6 x 20 x 5"
    assert operators(outcome.module, tmp_path / "a.onnx", (6,)) == ["Gemm", "Relu", "Add"]
    assert error(outcome.module, module, torch.rand(7, 6)) < TOLERANCE
    assert not any(part.training for part in outcome.module.modules())


def test_three_in_a_row_become_one():
    module = Three().eval()
    outcome = fuse_module(module)
    assert outcome.reason == "one layer in place of 4 x 20 x 20, 4 x 20 x 3"
    assert error(outcome.module, module, torch.rand(7, 4)) < TOLERANCE


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (ReadTwice(), "no two linear layers stand next to each other"),
        (Activated(), "no two linear layers stand next to each other"),
        (
            nn.Sequential(nn.Linear(6, 20), Scaled(20, 5)).eval(),
            "no two linear layers stand next to each other",
        ),
        (Own((40, 3, 30)), "40 x 3 x 30 costs less as it is: k 3 < break-even 17"),
        (
            Branches(),
            "its code cannot be followed: symbolically traced variables cannot be used as inputs to control flow",
        ),
    ],
)
def test_what_cannot_or_should_not_be_fused_is_left_as_it_is(module: nn.Module, reason: str):
    outcome = fuse_module(module)
    assert not outcome.done
    assert outcome.module is module
    assert outcome.reason == reason


def test_a_layer_with_a_hook_is_left_alone():
    module = Own()
    module.second.register_forward_hook(lambda _layer, _inputs, output: output + 1)
    assert not fuse_module(module).done


def test_above_the_limit_a_pair_is_refused():
    outcome = fuse_module(Own(), limit_bytes=4 * 6 * 5 - 1)
    assert outcome.reason == "the fused weights of 6 x 20 x 5 would take 120 bytes, more than 119"
    assert fuse_module(Own(), limit_bytes=4 * 6 * 5).done


def test_the_given_module_is_left_alone():
    module = Own()
    names, before = set(dict(module.named_modules())), module(torch.ones(2, 6))
    fuse_module(module)
    assert set(dict(module.named_modules())) == names
    assert torch.equal(module(torch.ones(2, 6)), before)


@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(20, 40), st.integers(1, 20)),
    bias=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_the_fused_module_gives_what_it_gave(sizes: tuple[int, int, int], bias: bool):
    module = Own(sizes, bias=bias)
    outcome = fuse_module(module)
    assert outcome.done
    assert error(outcome.module, module, torch.rand(7, sizes[0])) < TOLERANCE


def test_a_pair_fused_in_the_wrong_order_would_be_noticed():
    module = Own((5, 20, 5))
    outcome = fuse_module(module)
    with torch.no_grad():
        outcome.module.fused_1.weight.copy_(outcome.module.fused_1.weight.T.clone())
    assert error(outcome.module, module, torch.rand(7, 5)) > 1000 * TOLERANCE
