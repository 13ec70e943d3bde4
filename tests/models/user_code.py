"""What a user's package might hold: modules built by a function, right and wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

NUMBER = 3


def build() -> nn.Module:
    """A classifier of 1x28x28 images, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))


def build_a_pair() -> nn.Module:
    """Two linear layers that are one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.Linear(30, 10))


def build_a_number() -> int:
    return 3


class Stop(BaseException):
    """What no `except Exception` sees."""


def build_nothing() -> nn.Module:
    raise ValueError("there is nothing to build\nat all")


def build_and_leave() -> nn.Module:
    sys.exit(0)


def build_without_words() -> nn.Module:
    raise Stop


def build_with_a_keyboard() -> nn.Module:
    raise KeyboardInterrupt


class Odd(nn.Module):
    """A classifier of 64 numbers, up to its answer."""

    def __init__(self, answer: Callable[[Odd, Tensor], object]) -> None:
        super().__init__()
        self.answer, self.last, self.calls = answer, nn.Linear(64, 3), 0

    def forward(self, batch: Tensor) -> object:
        return self.answer(self, self.last(batch.flatten(1)))


def answers(answer: Callable[[Odd, Tensor], object]) -> Callable[[], nn.Module]:
    """A function that builds a classifier with this in place of its logits."""
    return lambda: Odd(answer)


def _raise(error: BaseException) -> object:
    raise error


def _counted(net: Odd, logits: Tensor) -> Tensor:
    net.calls += 1
    return logits + 0.5 * net.calls


def _another_shape(net: Odd, logits: Tensor) -> Tensor:
    net.calls += 1
    return logits[:, : net.calls + 1]


def _talking(_net: Odd, logits: Tensor) -> Tensor:
    sys.stdout.write("I am a teacher\n")
    return logits


def build_with_a_secret() -> nn.Module:
    """Weights that no state dict has: every build has others."""
    secret = torch.rand(3)
    return Odd(lambda _net, logits: logits + secret)


raises = answers(lambda _net, _logits: _raise(ValueError("no answer today")))
raises_nothing = answers(lambda _net, _logits: _raise(AssertionError()))
leaves = answers(lambda _net, _logits: _raise(SystemExit(4)))
pair = answers(lambda _net, logits: (logits, logits))
mapping = answers(lambda _net, logits: {"logits": logits})
nothing = answers(lambda _net, _logits: None)
array = answers(lambda _net, logits: logits.detach().numpy())
whole_numbers = answers(lambda _net, logits: logits.long())
one_row = answers(lambda _net, logits: logits[:1])
one_number = answers(lambda _net, logits: logits.mean())
images = answers(lambda _net, logits: logits[:, :, None])
infinite = answers(lambda _net, logits: logits * float("inf"))
noisy = answers(lambda _net, logits: functional.dropout(logits))
counted = answers(_counted)
another_shape = answers(_another_shape)
single = answers(lambda _net, logits: logits @ torch.eye(3))
talkative = answers(_talking)
