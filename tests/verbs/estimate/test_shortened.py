from __future__ import annotations

import pytest
import torch
from torch import nn

from kdeploy.recipe.load import load
from kdeploy.recipe.teacher import Teacher
from kdeploy.verbs.estimate.shortened import multiply_adds, shortened, steps_for, teacher_steps
from tests.program import REPOSITORY


def test_lengths_change_and_what_is_computed_stays():
    recipe = load(REPOSITORY / "recipes" / "mnist-5k.yaml", ("teacher.0.count=2",)).recipe
    short = shortened(recipe, student_steps=10, steps_per_epoch=4, teacher_steps=[5, 6])
    assert [member.train.steps for member in short.members] == [5, 6]
    assert [member.train.seed for member in short.members] == [0, 1]
    assert (short.views.count, short.views.of("image")) == (2, recipe.views.of("image"))
    assert (short.distill.epochs, short.distill.seeds, short.distill.batch) == (3, 1, recipe.distill.batch)
    assert (short.student, short.labels, short.data) == (recipe.student, recipe.labels, recipe.data)
    assert (short.export.bottleneck, short.export.formats) == ("factored", recipe.export.formats)
    assert (short.bench.runtimes, short.bench.replicates, short.bench.throughput) == (recipe.bench.runtimes, 2, ())
    assert (short.gate.max_drop, short.gate.min_speedup) == (None, None)


def test_a_given_teacher_and_a_form_that_is_asked_for_stay():
    overrides = ("teacher=[{onnx: t.onnx}]", "export.bottleneck=fuse")
    recipe = load(REPOSITORY / "recipes" / "mnist-5k.yaml", overrides).recipe
    short = shortened(recipe, student_steps=1, steps_per_epoch=4, teacher_steps=[0])
    assert (short.teacher, short.export.bottleneck, short.distill.epochs) == (recipe.teacher, "fuse", 1)


def test_a_larger_step_is_done_less_often_and_thrice_at_least():
    assert steps_for(1_000, 64) == 40
    assert steps_for(5_000_000, 64) == round(2 * 1e10 / (3 * 64 * 5_000_000))
    assert steps_for(10**9, 512) == 3


def test_multiply_adds_are_counted_without_memory():
    with torch.device("meta"):
        module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 3))
    assert multiply_adds(module, (3, 4)) == 12 * 5 + 5 * 3


@pytest.mark.parametrize("model", ["deep-cnn", "whitened-cnn", "mlp"])
def test_every_built_in_teacher_has_its_steps_and_a_given_one_none(model: str):
    assert 3 <= teacher_steps(Teacher(model=model), (3, 32, 32), 10) <= 40
    assert teacher_steps(Teacher(onnx="t.onnx"), (3, 32, 32), 10) == 0
