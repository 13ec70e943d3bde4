from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import count
from kdeploy.models import whitened
from kdeploy.models.classifier import ModuleClassifier
from kdeploy.models.whitening import whitening

COLOUR = {"shape": (3, 32, 32), "classes": 10, "mean": (0.5, 0.4, 0.3), "std": (0.25, 0.2, 0.3)}


def images(count: int = 4, shape: tuple[int, ...] = (3, 32, 32)) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def test_the_layers_have_the_parameters_of_the_widths():
    convolutions = ((24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256))
    # 2x2 patches of three channels to 24, each with a bias; two batch norm numbers a channel; logits without a bias
    by_hand = 12 * 24 + 24 + sum(9 * before * after + 2 * after for before, after in convolutions) + 256 * 10
    assert by_hand == 1_972_792
    assert sum(value.numel() for value in whitened.seeded(0, **COLOUR).parameters()) == by_hand


def test_the_exported_teacher_has_the_multiply_adds_of_its_convolutions(tmp_path: Path):
    net = whitened.seeded(0, **COLOUR).eval()
    export.write(net, tmp_path / "t.onnx", input_name="image", shape=(3, 32, 32))
    places = ((24, 64, 31), (64, 64, 15), (64, 256, 15), (256, 256, 7), (256, 256, 7), (256, 256, 3))
    by_hand = 12 * 24 * 31**2 + sum(9 * before * after * side**2 for before, after, side in places) + 256 * 10
    assert by_hand == 118_147_360
    assert count(tmp_path / "t.onnx", {"image": (1, 3, 32, 32)}).multiply_adds == by_hand


def test_the_first_layer_whitens_the_patches_and_their_negatives():
    net, batch = whitened.seeded(0, **COLOUR), images(20)
    net.whiten(batch)
    rows = whitening(net.normalise(batch), 2, 5e-4)
    assert torch.equal(net.patches.weight, torch.cat([rows, -rows]))


def test_training_changes_everything_but_the_patches_and_the_factors_of_batch_norm():
    net = whitened.seeded(0, **COLOUR)
    net.whiten(images())
    before = {name: value.clone() for name, value in net.named_parameters()}
    optimizer = torch.optim.SGD((value for value in net.parameters() if value.requires_grad), lr=0.1)
    functional.cross_entropy(net(images()), torch.arange(4)).backward()
    optimizer.step()
    norms = {name for name, part in net.named_modules() if isinstance(part, nn.BatchNorm2d)}
    still = {name for name, value in net.named_parameters() if torch.equal(value, before[name])}
    assert still == {"patches.weight", *(f"{name}.weight" for name in norms)}


def test_a_convolution_begins_as_the_identity_of_its_inputs():
    layer = next(layer for layer in whitened.seeded(0, **COLOUR).features if isinstance(layer, nn.Conv2d))
    seen = torch.rand(2, 24, 9, 9)
    torch.testing.assert_close(layer(seen)[:, :24], seen)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, same, other = (whitened.seeded(seed, **COLOUR).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["logits.weight"], other["logits.weight"])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 9, 12)])
def test_the_chain_is_the_net(shape: tuple[int, ...]):
    channels = shape[0]
    net = whitened.seeded(0, shape=shape, classes=5, mean=[0.2] * channels, std=[0.4] * channels)
    net.whiten(images(4, shape))
    net.eval()
    batch = images(3, shape)
    assert net(batch).shape == (3, 5)
    torch.testing.assert_close(net.chain()(batch), net(batch))


def test_its_features_are_what_the_last_layer_reads():
    net = whitened.seeded(0, **COLOUR)
    net.whiten(images())
    classifier = ModuleClassifier(net, device=torch.device("cpu"), precision="fp32")
    found = classifier.logits_and_features(images(3))
    assert found.shape == (3, 10 + 256)
    torch.testing.assert_close(found[:, 10:] @ net.logits.weight.T, found[:, :10])
