from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kdeploy.models import shallow
from kdeploy.models.local import LocalLinear

SIZES = {"classes": 3, "hidden": [70, 6], "locality": 2.0, "mean": (0.1, 0.2), "std": (0.3, 0.4)}


def test_a_weight_counts_by_the_distance_of_its_pixel_from_the_units_place():
    # 6 x 4 pixels, a place every 2: rows 0.5, 2.5, 4.5 and columns 0.5, 2.5
    layer = LocalLinear((1, 6, 4), 7, sigma=2.0)
    found = layer.scale.reshape(7, 6, 4)
    for unit, (row, column) in {0: (0.5, 0.5), 1: (0.5, 2.5), 2: (2.5, 0.5), 5: (4.5, 2.5), 6: (0.5, 0.5)}.items():
        for pixel in ((0, 0), (1, 3), (5, 2)):
            squared = (pixel[0] - row) ** 2 + (pixel[1] - column) ** 2
            assert found[unit][pixel].item() == pytest.approx(math.exp(-squared / 8), rel=1e-5)


def test_every_channel_of_a_place_counts_the_same():
    found = LocalLinear((3, 5, 5), 4, sigma=1.5).scale.reshape(4, 3, 5, 5)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])


def test_images_smaller_than_sigma_have_one_place_in_their_middle():
    found = LocalLinear((1, 3, 3), 2, sigma=9.0).scale.reshape(2, 3, 3)
    assert found[:, 1, 1].tolist() == [1.0, 1.0]
    assert torch.equal(found[0], found[0].flip(0))


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    units=st.integers(1, 20),
    sigma=st.floats(0.5, 20),
    bias=st.booleans(),
)
def test_the_dense_layer_is_the_same_map(shape: tuple[int, int, int], units: int, sigma: float, bias: bool):
    layer = LocalLinear(shape, units, sigma=sigma, bias=bias)
    dense = layer.dense()
    assert type(dense) is nn.Linear
    batch = torch.rand(3, math.prod(shape))
    assert torch.equal(dense(batch), layer(batch))
    assert layer.scale.min() >= 0
    assert layer.scale.max() <= 1


def test_first_outputs_have_the_variance_that_was_asked_for_at_the_border_too():
    layer = LocalLinear((3, 32, 32), 6400, sigma=4.0, bias=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer.draw(2.0)
        found = layer(torch.randn(500, 3072))
    corner, middle = found[:, 0::64], found[:, 27::64]
    # of 500 x 100 outputs
    assert corner.var().item() == pytest.approx(2.0, rel=0.05)
    assert middle.var().item() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("bottleneck", [None, 20])
def test_the_layer_that_reads_the_pixels_is_local_and_ships_as_a_dense_one(bottleneck: int | None):
    net = shallow.seeded(0, shape=(2, 8, 8), bottleneck=bottleneck, batch_norm=True, **SIZES)
    assert isinstance(net.hidden[0] if bottleneck is None else net.bottleneck, LocalLinear)
    net(torch.rand(9, 2, 8, 8))
    net.eval()
    kinds = {type(layer) for layer in net.chain()}
    assert LocalLinear not in kinds
    batch = torch.rand(4, 2, 8, 8)
    assert torch.equal(net.chain()(batch), net(batch))


def test_the_file_of_the_weights_has_no_scale_and_no_more_parameters():
    local = shallow.seeded(0, shape=(2, 8, 8), bottleneck=None, **SIZES)
    plain = shallow.seeded(0, shape=(2, 8, 8), bottleneck=None, **SIZES | {"locality": None})
    assert {name: value.shape for name, value in local.state_dict().items()} == {
        name: value.shape for name, value in plain.state_dict().items()
    }


def test_far_weights_learn_more_slowly_but_they_do():
    layer = LocalLinear((1, 16, 16), 1, sigma=4.0)
    layer(torch.ones(1, 256)).sum().backward()
    near, far = layer.scale[0].max(), layer.scale[0].min()
    assert layer.weight.grad.max() == near
    assert layer.weight.grad.min() == far > 0


def test_samples_without_places_are_refused():
    with pytest.raises(ValueError) as caught:
        shallow.seeded(0, shape=(12,), bottleneck=None, **SIZES)
    assert str(caught.value) == "locality needs samples of shape (channels, height, width) (got (12,))"
