from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kdeploy.graphs import export
from kdeploy.graphs.counting.count import count
from kdeploy.models import shallow
from kdeploy.transforms.fold_batch_norm import fold_batch_norm
from kdeploy.transforms.fold_bias import fold_bias

MNIST = {
    "shape": (1, 28, 28),
    "classes": 10,
    "convolutions": [(32, 5, 2)],
    "bottleneck": 64,
    "hidden": [512],
    "mean": (0.13,),
    "std": (0.31,),
}


def test_the_layers_have_the_parameters_of_the_widths():
    by_hand = (25 + 1) * 32 + 6272 * 64 + (64 + 1) * 512 + (512 + 1) * 10
    assert by_hand == 440_650
    assert sum(value.numel() for value in shallow.seeded(0, **MNIST).parameters()) == by_hand


def test_the_exported_student_has_the_multiply_adds_of_its_factors(tmp_path: Path):
    export.write(shallow.seeded(0, **MNIST).eval(), tmp_path / "s.onnx", input_name="image", shape=(1, 28, 28))
    by_hand = 25 * 32 * 28**2 + 6272 * 64 + 64 * 512 + 512 * 10
    assert by_hand == 1_066_496
    assert count(tmp_path / "s.onnx", {"image": (1, 1, 28, 28)}).multiply_adds == by_hand


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, same, other = (shallow.seeded(seed, **MNIST).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["bottleneck.weight"], other["bottleneck.weight"])


def test_initial_weights_have_hes_variance_and_the_bottleneck_half_of_it():
    net = shallow.seeded(0, **MNIST)
    # 6272 x 64 and 64 x 512 draws: a sample deviation is within 2 % of the drawn one
    assert net.bottleneck.weight.std().item() == pytest.approx(math.sqrt(1 / 6272), rel=0.02)
    assert net.hidden[0].weight.std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.02)
    assert not net.hidden[0].bias.any()


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    convolutions=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2])), max_size=2
    ),
    bottleneck=st.none() | st.integers(1, 6),
    hidden=st.lists(st.integers(1, 8), max_size=3),
    batch_norm=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_the_chain_is_the_net(
    shape: tuple[int, int, int],
    convolutions: list[tuple[int, int, int]],
    bottleneck: int | None,
    hidden: list[int],
    batch_norm: bool,
):
    net = shallow.seeded(
        1,
        shape=shape,
        classes=4,
        convolutions=convolutions,
        bottleneck=bottleneck,
        hidden=hidden,
        mean=[0.3] * shape[0],
        std=[0.7] * shape[0],
        batch_norm=batch_norm,
    )
    batch = torch.rand(2, *shape)
    net(torch.rand(9, *shape))  # statistics that are not those of the beginning
    net.eval()
    assert net(batch).shape == (2, 4)
    assert torch.equal(net.chain()(batch), net(batch))


def test_a_student_of_flat_features_has_no_convolutions():
    net = shallow.seeded(0, shape=(7,), classes=3, bottleneck=None, hidden=[5, 4], mean=[0.0] * 7, std=[1.0] * 7)
    kinds = [type(layer).__name__ for layer in net.chain()]
    assert kinds == ["Normalise", "Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert net(torch.rand(2, 7)).shape == (2, 3)


def test_the_bottleneck_stands_before_the_first_hidden_layer_without_a_bias():
    chain = shallow.seeded(0, **MNIST).chain()
    first, second = (layer for layer in list(chain)[5:7])
    assert isinstance(first, nn.Linear)
    assert first.bias is None
    assert (first.in_features, first.out_features, second.out_features) == (6272, 64, 512)


def test_batch_norm_stands_behind_every_layer_but_the_last_and_has_no_factor_that_is_trained():
    net = shallow.seeded(0, **MNIST, batch_norm=True)
    kinds = [type(layer).__name__ for layer in net.chain()]
    convolution, bottleneck = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"], ["Linear", "BatchNorm1d"]
    assert kinds == ["Normalise", *convolution, "Flatten", *bottleneck, *bottleneck, "ReLU", "Linear"]
    still = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert still == {"features.2.weight", "norm.weight", "hidden.1.weight"}
    assert all(torch.equal(value, torch.ones_like(value)) for name, value in net.named_parameters() if name in still)


def test_batch_norm_folds_away_and_leaves_one_pair_of_factors():
    net = shallow.seeded(0, **MNIST, batch_norm=True)
    for _ in range(3):
        net(torch.rand(20, 1, 28, 28))
    net.eval()
    folded, done, reason, _ = fold_batch_norm(net.chain().eval())
    assert done
    assert reason == "1 folded into the convolutions before them, 2 folded into the linear layers before them"
    plain, done, *_ = fold_bias(folded)
    assert done
    kinds = ["Normalise", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "Linear", "ReLU", "Linear"]
    assert [type(layer).__name__ for layer in plain] == kinds
    batch = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(plain(batch), net(batch), rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_features_keeps_the_layout_of_images():
    net = shallow.seeded(0, **MNIST, batch_norm=True).to(memory_format=torch.channels_last)
    seen: list[Tensor] = []
    net.features[-1].register_full_backward_hook(lambda _layer, _of_input, given: seen.extend(given))
    net(torch.rand(4, 1, 28, 28)).sum().backward()
    assert [gradient.is_contiguous(memory_format=torch.channels_last) for gradient in seen] == [True]


def test_dropout_leaves_out_inputs_and_hidden_units_in_training_alone():
    arguments = MNIST | {"convolutions": [], "hidden": [4096, 4096]}
    plain, out = (
        shallow.seeded(3, **arguments, **more) for more in ({}, {"input_dropout": 0.25, "hidden_dropout": 0.5})
    )
    batch = torch.ones(1, 1, 28, 28)
    out.train()
    torch.manual_seed(0)
    assert not torch.equal(shallow.seeded(3, **arguments, input_dropout=0.25)(batch), plain(batch))
    left = (out.input_dropout(batch) != 0).float().mean().item()
    # four deviations of a share of 784 and of 4096 units; about half of these are 0 by the ReLU
    assert left == pytest.approx(0.75, abs=0.062)
    assert (out.hidden(out._read(batch)) != 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(out.eval()(batch), plain.eval()(batch))
    assert torch.equal(out.chain()(batch), plain.chain()(batch))
    assert [type(layer) for layer in out.chain()] == [type(layer) for layer in plain.chain()]


def test_convolutions_on_flat_features_are_refused():
    with pytest.raises(ValueError) as caught:
        shallow.seeded(0, **(MNIST | {"shape": (784,)}))
    assert str(caught.value) == "convolutions need samples of shape (channels, height, width) (got (784,))"


@given(inputs=st.integers(1, 10_000), outputs=st.integers(1, 10_000))
def test_at_the_break_even_both_forms_cost_the_same(inputs: int, outputs: int):
    assert shallow.break_even(inputs, outputs) * (inputs + outputs) == pytest.approx(inputs * outputs, rel=1e-12)


def test_the_break_even_of_the_first_recipe_is_473():
    assert round(shallow.break_even(6272, 512)) == 473
