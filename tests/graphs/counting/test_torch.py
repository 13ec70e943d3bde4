"""Networks built in torch, exported as kdeploy exports them, counted, and compared with torch's own counter.

torch counts 2 FLOPs for a multiply-add (torch.utils.flop_counter), of convolutions and products of matrices alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import Cost, count
from kdeploy.models import mlp, shallow


def exported(net: nn.Module, shape: Sequence[int], folder: Path, batch: int = 1) -> Cost:
    export.write(net.eval(), folder / "net.onnx", input_name="x", shape=shape)
    return count(folder / "net.onnx", {"x": (batch, *shape)})


def flops_of(net: nn.Module, shape: Sequence[int], batch: int = 1) -> int:
    """What torch counts for one call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(batch, *shape))
    return counter.get_total_flops()


class Residual(nn.Module):
    """Two 3x3 convolutions, and a 1x1 beside them where the width changes (He et al. 2015)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.first, self.first_norm = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.second, self.second_norm = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        beside = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.beside = nn.Identity() if before == after else beside

    def forward(self, x: Tensor) -> Tensor:
        h = self.second_norm(self.second(torch.relu(self.first_norm(self.first(x)))))
        return torch.relu(h + self.beside(x))


def resnet18() -> nn.Module:
    """For CIFAR: a 3x3 stem without pooling, then stages of two blocks at 32, 16, 8 and 4 pixels."""
    widths = [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    blocks = [Residual(before, after) for before, after in widths]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class TestHandCounts:
    def test_a_perceptron_with_a_bottleneck(self, tmp_path: Path):
        net = shallow.seeded(
            0, shape=(784,), classes=10, bottleneck=250, hidden=[2000], mean=[0.0] * 784, std=[1.0] * 784
        )
        cost = exported(net, (784,), tmp_path)
        assert cost.multiply_adds == 784 * 250 + 250 * 2000 + 2000 * 10 == 716_000
        assert flops_of(net, (784,)) == 2 * 716_000

    def test_the_cifar_student_of_ba_and_caruana(self, tmp_path: Path):
        # 64 convolutions of 5x5 that keep 32x32 (padding 2), max pooling 2 to 16x16, 400 linear, 2000, 10
        net = shallow.seeded(
            0,
            shape=(3, 32, 32),
            classes=10,
            convolutions=[(64, 5, 2)],
            bottleneck=400,
            hidden=[2000],
            mean=[0.5] * 3,
            std=[0.2] * 3,
        )
        cost = exported(net, (3, 32, 32), tmp_path)
        by_hand = 32 * 32 * 64 * 3 * 25 + 16 * 16 * 64 * 400 + 400 * 2000 + 2000 * 10
        assert cost.multiply_adds == by_hand == 12_288_800
        assert [layer.multiply_adds for layer in cost.layers if layer.multiply_adds] == [
            4_915_200,
            6_553_600,
            800_000,
            20_000,
        ]
        assert flops_of(net, (3, 32, 32)) == 2 * by_hand

    def test_resnet18_for_cifar(self, tmp_path: Path):
        net = resnet18()
        cost = exported(net, (3, 32, 32), tmp_path)
        stem = 32**2 * 64 * 3 * 9
        first = 4 * 32**2 * 64 * 64 * 9
        # a stage of half the pixels and twice the width: 3 of its 4 convolutions read the new width, one the old, which
        # the 1x1 beside reads too
        later = sum(
            size**2 * width * (width // 2 * 9 + 3 * width * 9 + width // 2)
            for size, width in ((16, 128), (8, 256), (4, 512))
        )
        assert cost.multiply_adds == stem + first + later + 512 * 10 == 555_422_720
        assert (cost.coverage, cost.uncounted) == (1, {})
        assert flops_of(net, (3, 32, 32)) == 2 * 555_422_720

    def test_one_attention_block(self, tmp_path: Path):
        net = Block(width=32, heads=4)
        cost = exported(net, (6, 32), tmp_path, batch=2)
        # of 2 x 6 rows: Q, K and V (32 to 96), then 4 heads: 6 x 6 products of 8, and 6 sums of 6 values of 8; out
        # (32 to 32), and the layer behind (32 to 128 to 32); logits from the mean of the 6 rows
        projections = 12 * 32 * 96 + 12 * 32 * 32
        attention = 2 * 4 * (6 * 6 * 8 + 6 * 6 * 8)
        assert cost.multiply_adds == projections + attention + 12 * 2 * 32 * 128 + 2 * 32 * 10
        assert cost.coverage == 1

    def test_one_lstm(self, tmp_path: Path):
        cost = exported(Recurrent("LSTM"), (7, 3), tmp_path, batch=2)
        # 4 gates of 5, each over 3 inputs and 5 states, in 7 steps of 2 rows; 10 logits from the last state
        assert cost.multiply_adds == 2 * 7 * 4 * 5 * (3 + 5) + 2 * 5 * 10
        assert cost.coverage == 1

    def test_one_gru(self, tmp_path: Path):
        cost = exported(Recurrent("GRU"), (7, 3), tmp_path, batch=2)
        assert cost.multiply_adds == 2 * 7 * 3 * 5 * (3 + 5) + 2 * 5 * 10


class Block(nn.Module):
    """A transformer's block, and logits from the mean of its rows."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.project, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.behind = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 128), nn.GELU(), nn.Linear(128, width))
        self.logits = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.project(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        logits: Tensor = self.logits((x + self.behind(x)).mean(1))
        return logits


class Recurrent(nn.Module):
    """Steps of 3 numbers, 5 states, 10 logits."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell = getattr(nn, kind)(3, 5, batch_first=True)
        self.logits = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.logits(self.cell(x)[0][:, -1])
        return logits


class TestWhereTorchSaysNothing:
    """torch 2.13: what its counter leaves out, and this one has."""

    def test_attention_on_a_cpu(self, tmp_path: Path):
        net = Block(width=32, heads=4)
        cost, attention = exported(net, (6, 32), tmp_path, batch=2), 2 * 4 * (6 * 6 * 8 + 6 * 6 * 8)
        assert flops_of(net, (6, 32), batch=2) == 2 * (cost.multiply_adds - attention)

    def test_an_lstm(self):
        assert flops_of(Recurrent("LSTM"), (7, 3)) == 2 * 5 * 10  # the logits alone

    @pytest.mark.parametrize(("kind", "gates"), [("GRU", 3), ("RNN", 1)])
    def test_but_it_sees_the_products_inside_of_others(self, kind: str, gates: int):
        assert flops_of(Recurrent(kind), (7, 3)) == 2 * (7 * gates * 5 * (3 + 5) + 5 * 10)


@st.composite
def chains(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """Convolutions with groups, strides, dilation, pooling or norms between them, then linear layers."""
    # of 13, two kernels of 3 fit behind each other even with dilation and the first at every other place
    side, channels = draw(st.integers(13, 17)), draw(st.sampled_from([2, 4]))
    shape: tuple[int, ...] = (channels, side, side)
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(0, 2))):
        wide = draw(st.sampled_from([2, 4, 6]))
        layers.append(
            nn.Conv2d(
                channels,
                wide,
                draw(st.integers(1, 3)),
                stride=draw(st.integers(1, 2)),
                padding=draw(st.integers(0, 2)),
                dilation=draw(st.integers(1, 2)),
                groups=draw(st.sampled_from([1, 2])),
                bias=draw(st.booleans()),
            )
        )
        layers += draw(st.sampled_from([[], [nn.BatchNorm2d(wide)], [nn.ReLU()], [nn.AvgPool2d(1)]]))
        channels = wide
    layers.append(nn.Flatten())
    width = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1]
    for after in draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)):
        layers += [nn.Linear(width, after), nn.ReLU()]
        width = after
    return nn.Sequential(*layers), shape


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=chains(), batch=st.integers(1, 3))
def test_convolutions_and_linear_layers_count_as_torch_counts_them(
    made: tuple[nn.Module, tuple[int, ...]], batch: int, tmp_path: Path
):
    net, shape = made
    cost = exported(net, shape, tmp_path, batch)
    assert cost.multiply_adds * 2 == flops_of(net, shape, batch)
    assert cost.coverage == 1


def test_a_perceptron_of_ours(tmp_path: Path):
    net = mlp.seeded(0, shape=(1, 28, 28), classes=10, hidden=[800, 800], mean=[0.1], std=[0.3])
    assert exported(net, (1, 28, 28), tmp_path).flops == flops_of(net, (1, 28, 28)) == 2 * (784 * 800 + 800 * 810)
