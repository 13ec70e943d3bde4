"""Networks that nobody designed, exported and verified as a student is: what a runtime or a fold gets wrong shows here.

A few of them, always the same, in every run of the tests; `make long` tries 200 new ones.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.graphs import export
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.every_format import compared
from kdeploy.parity.module_truth import ModuleTruth
from kdeploy.parity.subject import Subject
from kdeploy.system.progress import Progress

RUNTIMES = ["reference", "onnxruntime", "openvino"]
INPUTS = 40
SHAPES = st.one_of(
    st.tuples(st.integers(2, 24)),
    st.tuples(st.sampled_from([1, 3]), st.integers(6, 12), st.integers(6, 12)),
)
ACTIVATIONS = st.sampled_from([nn.ReLU, nn.GELU, nn.Sigmoid, nn.SiLU])


@st.composite
def nets(draw: st.DrawFn) -> tuple[nn.Sequential, tuple[int, ...]]:
    """A network in evaluation mode with random weights and statistics, and the shape of its inputs."""
    shape = draw(SHAPES)
    torch.manual_seed(draw(st.integers(0, 2**31)))
    features, flat = draw(image_layers(shape)) if len(shape) == 3 else ([], shape[0])
    hidden, width = draw(vector_layers(flat))
    net = nn.Sequential(*features, *hidden, nn.Linear(width, draw(st.integers(2, 7))))
    for layer in net:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    return net.eval(), shape


@st.composite
def image_layers(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    """Layers from an image to a vector, and its length."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 2))):
        out, kernel = draw(st.integers(1, 6)), draw(st.sampled_from([1, 3, 5]))
        layers.append(nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=draw(st.booleans())))
        layers += [nn.BatchNorm2d(out)] if draw(st.booleans()) else []
        layers.append(draw(ACTIVATIONS)())
        pool = draw(st.sampled_from([None, nn.MaxPool2d, nn.AvgPool2d]))
        if pool is not None:
            layers.append(pool(2))
            height, width = height // 2, width // 2
        channels = out
    if draw(st.booleans()):
        layers.append(nn.AdaptiveAvgPool2d(1))
        height = width = 1
    return [*layers, nn.Flatten()], channels * height * width


@st.composite
def vector_layers(draw: st.DrawFn, width: int) -> tuple[list[nn.Module], int]:
    """Hidden layers, some behind a linear bottleneck, and the width of the last."""
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            bottleneck = draw(st.integers(1, 6))
            layers.append(nn.Linear(width, bottleneck, bias=draw(st.booleans())))
            width = bottleneck
        out = draw(st.integers(2, 32))
        layers.append(nn.Linear(width, out))
        norm = draw(st.sampled_from([None, nn.LayerNorm, nn.BatchNorm1d]))
        layers += [norm(out)] if norm is not None else []
        layers.append(draw(ACTIVATIONS)())
        width = out
    return layers, width


def must_agree(net: nn.Sequential, shape: tuple[int, ...]) -> None:
    """Export it, and verify it as a run verifies its student."""
    inputs = np.random.default_rng(0).standard_normal((INPUTS, *shape)).astype(np.float32)
    truth = ModuleTruth(net)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        export.write(net, path, input_name="x", shape=shape)
        subject = Subject("net", path, inputs, truth.oracle(inputs), {}, truth)
        record = compared(subjects=[subject], names=RUNTIMES, progress=Progress())
    raise_if_failed(record.rows)


@settings(max_examples=8, derandomize=True, deadline=None, database=None)
@given(nets())
def test_a_random_net_agrees_over_three_runtimes(made):
    must_agree(*made)


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(nets())
def test_two_hundred_random_nets_agree_over_three_runtimes(made):
    must_agree(*made)
