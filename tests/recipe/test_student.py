"""Students of other families than the shallow one, in a recipe."""

from __future__ import annotations

import pytest

from kdeploy.errors import RecipeError
from kdeploy.recipe.load import parse
from kdeploy.recipe.student import Compact, Student
from tests.recipe.test_load import SMALL


def _problems(more: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(f"{SMALL}{more}\n".encode(), "r.yaml")
    return [problem.split(": ", 1)[1] for problem in caught.value.problems]


def _student(text: str) -> Student:
    return parse(f"{SMALL}student: {text}\n".encode(), "r.yaml").recipe.student


def test_without_a_family_a_student_is_shallow():
    student = _student("{bottleneck: 32, hidden: [64]}")
    assert (student.family, student.called) == ("shallow", None)
    assert student.arguments == {"convolutions": [], "bottleneck": 32, "hidden": (64,)}


def test_a_compact_student_has_its_sizes():
    student = _student("{compact: {widths: [8, 16], depthwise: true}}")
    assert student.family == "compact"
    assert student.arguments["sizes"] == {
        "widths": (8, 16),
        "depth": 2,
        "kernel": 3,
        "depthwise": True,
        "pool": 2,
        "grid": 1,
    }
    assert _student("{compact: {}}").arguments == {"sizes": Compact().model_dump()}


@pytest.mark.parametrize(
    ("key", "name"),
    [("torch", "pkg.mod:build"), ("timm", "resnet18"), ("torchvision", "resnet18"), ("huggingface", "org/model")],
)
def test_a_student_from_outside_has_a_name_and_arguments(key: str, name: str):
    student = _student(f"{{{key}: '{name}', args: {{a: 1}}, bottleneck: {{layer: head.fc, rank: 8}}}}")
    assert (student.family, student.called) == (key, name)
    assert student.arguments == {
        "name": name,
        "args": {"a": 1},
        "pretrained": False,
        "bottleneck": {"layer": "head.fc", "rank": 8},
    }


@pytest.mark.parametrize(
    ("student", "problem"),
    [
        (
            "{timm: a, torchvision: b}",
            "must have at most one of timm and torchvision (got all of them). Keep one of them.",
        ),
        ("{compact: {}, hidden: [8]}", "must not have hidden beside compact. It belongs to a student without it."),
        (
            "{timm: a, hidden: [8], batch_norm: true}",
            "must not have hidden and batch_norm beside timm. They belong to a student without it.",
        ),
        (
            "{compact: {}, bottleneck: 8}",
            "must not have bottleneck beside compact. It has no linear layer but its logits.",
        ),
        (
            "{args: {a: 1}}",
            "must not have args without one of torch, timm, torchvision or huggingface. Name a network, or remove it.",
        ),
        (
            "{torch: 'a:b', pretrained: true}",
            "must not have pretrained beside torch. Load the weights in the function.",
        ),
        (
            "{bottleneck: {layer: fc, rank: 8}}",
            "must have a width as its bottleneck, as it has no layers by name. For example: 64.",
        ),
        (
            "{timm: a, bottleneck: 8}",
            "must have a layer and a rank as its bottleneck beside timm (got 8). For example: {layer: fc, rank: 64}.",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(student: str, problem: str):
    assert _problems(f"student: {student}") == [f"student {problem}"]


@pytest.mark.parametrize(
    ("student", "problem"),
    [
        (
            "{compact: {kernel: 4}}",
            "student.compact must have an odd kernel (got 4). Even kernels cannot keep height and width.",
        ),
        ("{compact: {widths: []}}", "student.compact.widths must have at least 1 entry (got 0)."),
        ("{torch: build}", "student.torch must be package.module:function (got 'build')."),
        ("{timm: a, bottleneck: {rank: 8}}", "student.bottleneck.layer must be given."),
    ],
)
def test_a_value_that_cannot_be_is_refused(student: str, problem: str):
    assert _problems(f"student: {student}") == [problem]


@pytest.mark.parametrize(
    ("student", "layer", "problem"),
    [
        (
            "{hidden: [8]}",
            "fc",
            "must have a number as distill.hint_layer (got 'fc'). A shallow student counts its own.",
        ),
        (
            "{timm: a}",
            "1",
            "must have the name of a layer beside student.timm as distill.hint_layer (got 1). A shallow student counts "
            "its own.",
        ),
    ],
)
def test_a_hint_is_of_a_number_or_of_a_name(student: str, layer: str, problem: str):
    more = f"labels: {{kind: features}}\nstudent: {student}\ndistill: {{hint_weight: 1, hint_layer: {layer}}}"
    assert _problems(more) == [f"the recipe {problem}"]


def test_a_rank_of_the_export_is_of_a_chain_of_layers():
    assert _problems("student: {timm: a}\nexport: {bottleneck: {rank: 8}}") == [
        "the recipe must not have a rank as export.bottleneck beside student.timm. "
        "Set student.bottleneck to a layer with a rank."
    ]
