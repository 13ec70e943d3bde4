from __future__ import annotations

import pytest
import torch
from torch import nn

from kdeploy.models import shallow
from kdeploy.models.hinted import StudentWithHints

SIZES = {"shape": (1, 8, 8), "classes": 3, "bottleneck": 4, "hidden": [16, 6], "mean": (0.1,), "std": (0.3,)}
BATCH = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_logits_are_the_students_and_the_map_reads_its_last_hidden_layer():
    student = shallow.seeded(0, **SIZES)
    guided = StudentWithHints(student, width=7, seed=0)
    answer = guided(BATCH)
    assert torch.equal(answer.logits, student(BATCH))
    assert answer.hidden.shape == (5, 6)
    assert torch.equal(answer.logits, student.logits(answer.hidden))
    assert isinstance(guided.projection, nn.Linear)
    assert torch.equal(answer.projected, guided.projection(answer.hidden))
    assert answer.projected.shape == (5, 7)


@pytest.mark.parametrize(("layer", "width"), [(1, 16), (2, 6)])
@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "hidden_dropout": 0.5}])
def test_the_map_reads_the_hidden_layer_that_was_asked_for(layer: int, width: int, more: dict[str, object]):
    student = shallow.seeded(0, **SIZES, **more).eval()
    guided = StudentWithHints(student, width=7, seed=0, layer=layer).eval()
    assert guided.projection.in_features == width
    answer, seen = guided(BATCH), student.each_hidden(BATCH)
    assert [hidden.shape for hidden in seen] == [(5, 16), (5, 6)]
    assert all((hidden >= 0).all() for hidden in seen)
    assert torch.equal(answer.projected, guided.projection(seen[layer - 1]))
    assert torch.equal(answer.hidden, seen[1])
    assert torch.equal(answer.logits, student(BATCH))


def test_a_hint_of_the_first_hidden_layer_leaves_the_second_alone():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), width=7, seed=0, layer=1)
    guided(BATCH).projected.square().sum().backward()
    without = {name for name, value in guided.named_parameters() if value.grad is None}
    layers = ("hidden.2", "logits")
    assert without == {f"student.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_without_a_width_there_is_no_map():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), width=None, seed=0)
    assert guided(BATCH).projected is None
    assert all(name.startswith("student.") for name in guided.state_dict())


def test_the_map_depends_on_the_seed_alone_and_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, same, other = (
        StudentWithHints(shallow.seeded(0, **SIZES), width=7, seed=seed).state_dict()["projection.weight"]
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_hint_teaches_every_layer_below_and_none_above():
    guided = StudentWithHints(shallow.seeded(0, **SIZES), width=7, seed=0)
    guided(BATCH).projected.square().sum().backward()
    without = {name for name, value in guided.named_parameters() if value.grad is None}
    assert without == {"student.logits.weight", "student.logits.bias"}
