from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models import shallow
from kdeploy.models.compact import CompactStudent
from kdeploy.models.hinted import StudentWithHints

SIZES = {"shape": (1, 8, 8), "classes": 3, "bottleneck": 4, "hidden": [16, 6], "mean": (0.1,), "std": (0.3,)}
COMPACT = {
    "shape": (1, 8, 8),
    "classes": 3,
    "sizes": {"widths": (4, 6), "depth": 1, "kernel": 3, "depthwise": False, "pool": 2, "grid": 1},
    "mean": (0.1,),
    "std": (0.3,),
}
BATCH = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_logits_are_the_students_and_the_map_reads_its_last_hidden_layer():
    student = shallow.seeded(0, **SIZES)
    guided = StudentWithHints(student, BATCH, width=7, seed=0)
    answer = guided(BATCH)
    assert torch.equal(answer.logits, student(BATCH))
    assert answer.hidden.shape == (5, 6)
    assert torch.equal(answer.logits, student.logits(answer.hidden))
    assert isinstance(guided.projection, nn.Linear)
    assert torch.equal(answer.projected, guided.projection(answer.hidden))
    assert answer.projected.shape == (5, 7)


@pytest.mark.parametrize(("number", "width"), [(1, 16), (2, 6)])
@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "hidden_dropout": 0.5}])
def test_the_map_reads_the_hidden_layer_that_was_asked_for(number: int, width: int, more: dict[str, object]):
    student = shallow.seeded(0, **SIZES, **more).eval()
    layer, seen = student.hidden_layer(number), list[torch.Tensor]()
    guided = StudentWithHints(student, BATCH, width=7, seed=0, layer=layer).eval()
    assert guided.projection.in_features == width
    student.get_submodule(layer).register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    answer = guided(BATCH)
    assert (seen[0] >= 0).all()
    assert torch.equal(answer.projected, guided.projection(seen[0]))
    assert torch.equal(answer.logits, student.logits(answer.hidden))


def test_a_layer_of_images_is_a_hint_too_and_an_example_moves_no_statistics():
    student = CompactStudent(**COMPACT)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    guided = StudentWithHints(student, BATCH, width=7, seed=0, layer="features.2")
    assert guided.projection.in_features == 4 * 8 * 8
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    guided(BATCH).projected.sum().backward()
    assert student.features[0].weight.grad is not None
    assert student.logits.weight.grad is None


def test_a_student_with_hints_can_be_copied_before_it_is_trained():
    guided = StudentWithHints(CompactStudent(**COMPACT), BATCH, width=7, seed=0, layer="features.2")
    again = copy.deepcopy(guided)
    assert torch.equal(again(BATCH).projected, guided(BATCH).projected)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("featurs.2", "student: distill.hint_layer must name a layer of it (featurs.2). Did you mean 'features.2'?"),
        (
            "zzz",
            "student: distill.hint_layer must name a layer of it (zzz). The last are: pool, pool.0, pool.1, logits.",
        ),
    ],
)
def test_a_hint_names_a_layer(layer: str, message: str):
    with pytest.raises(ModelError) as caught:
        StudentWithHints(CompactStudent(**COMPACT), BATCH, width=7, seed=0, layer=layer)
    assert str(caught.value) == message


def test_a_student_that_ends_in_no_linear_layer_shows_no_features():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Softmax(1))
    with pytest.raises(ModelError) as caught:
        StudentWithHints(net, BATCH, width=None, seed=0)
    assert str(caught.value) == (
        "student: must end in a linear layer, to show features (its logits come from elsewhere). "
        "Leave out distill.hint_weight and distill.relational."
    )


def test_a_hint_of_the_first_hidden_layer_leaves_the_second_alone():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), BATCH, width=7, seed=0, layer="hidden.1")
    guided(BATCH).projected.square().sum().backward()
    without = {name for name, value in guided.named_parameters() if value.grad is None}
    layers = ("hidden.2", "logits")
    assert without == {f"student.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_without_a_width_there_is_no_map():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), BATCH, width=None, seed=0)
    assert guided(BATCH).projected is None
    assert all(name.startswith("student.") for name in guided.state_dict())


def test_the_map_depends_on_the_seed_alone_and_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, same, other = (
        StudentWithHints(shallow.seeded(0, **SIZES), BATCH, width=7, seed=seed).state_dict()["projection.weight"]
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_hint_teaches_every_layer_below_and_none_above():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), BATCH, width=7, seed=0)
    guided(BATCH).projected.square().sum().backward()
    without = {name for name, value in guided.named_parameters() if value.grad is None}
    assert without == {"student.logits.weight", "student.logits.bias"}
