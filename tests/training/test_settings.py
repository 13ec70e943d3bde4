"""What a recipe chose about a training reaches it, with the precision of this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdeploy.recipe.distill import Distill
from kdeploy.recipe.teacher import Labels
from kdeploy.system import host
from kdeploy.training.options import TrainingOptions
from kdeploy.training.settings import precision, resolved, training_options


def test_a_training_is_as_the_recipe_says():
    asked = Distill(schedule="linear", lr_warm_up=0.1, clip=None, ema=0.99, compile=True, precision="fp32")
    expected = TrainingOptions(schedule="linear", lr_warm_up=0.1, clip=None, ema=0.99, compile=True)
    assert training_options(asked, exact=False, threads=3) == replace(expected, threads=3)
    plain = Distill(precision="fp32")
    assert training_options(plain, exact=True, threads=3) == TrainingOptions(threads=3, require_exact=True)


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "fp32"), (None, "fp32")])
def test_auto_is_the_precision_that_the_processor_multiplies_in(monkeypatch, has, expected):
    monkeypatch.setattr(host, "has_bf16", lambda: has)
    assert [precision(asked) for asked in ("auto", "fp32", "bf16")] == [expected, "fp32", "bf16"]
    assert resolved(Labels())["precision"] == precision(Labels().precision)


def test_the_threads_of_a_training_are_in_its_fingerprint_and_those_of_labels_are_not():
    assert resolved(Distill(), 3)["threads"] == 3
    assert resolved(Distill(threads=5), 3)["threads"] == 5
    assert training_options(Distill(threads=5), exact=False, threads=3).threads == 5
    assert "threads" not in resolved(Labels())
