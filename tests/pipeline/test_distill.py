from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kdeploy.losses.by_name import Options, Relations
from kdeploy.losses.noisy_teacher import Noise
from kdeploy.pipeline import distill, teacher
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import regime
from kdeploy.pipeline.store import Store
from kdeploy.recipe.data import Data
from kdeploy.recipe.distill import Distill
from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.student import Student
from kdeploy.recipe.teacher import Labels, Teacher
from kdeploy.training.schedules import Regime

SOFT = {"loss": "soft-targets"}
DECOUPLED = {"loss": "decoupled"}
CORRELATION = {"loss": "correlation"}
FALLING = SOFT | {"temperature_end": 1.0}


def job(asked: Distill, tmp_path: Path) -> Job:
    teachers = (Teacher(model="deep-cnn", count=2),)
    recipe = Recipe(
        name="a", data=Data(source="mnist-5k"), teacher=teachers, labels=Labels(kind="features"), distill=asked
    )
    return Job(recipe, Store(tmp_path), {}, "")


def settings(given: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return distill.settings(job(Distill.model_validate(given), tmp_path))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (SOFT, {"temperature": 4.0, "hard_weight": 0.0}),
        (DECOUPLED, {"temperature": 4.0, "alpha": 1.0, "beta": 8.0}),
        (FALLING, {"temperature_path": "linear"}),
        ({"noise": {}}, {"noise": {"sigma": 0.9, "share": 0.5}}),
        ({"relational": {}}, {"relational": {"distance": 25.0, "angle": 50.0, "of": "logits"}}),
        ({}, {"hard_weight": 0.0, "warm_up": 0, "weighting": "none", "mixture": "mean", "hint_weight": 0.0}),
        (SOFT, {"dynamic_temperature": 0.0}),
        (CORRELATION, {"temperature": 4.0, "inter": 1.0, "intra": 1.0}),
        ({}, {"schedule": "one-cycle", "clip": 5.0, "ema": 0.0, "weight_decay": 0.0, "compile": False}),
    ],
)
def test_a_default_that_is_written_out_changes_no_fingerprint(short: dict[str, Any], long: dict[str, Any], tmp_path):
    assert settings(short, tmp_path) == settings(short | long, tmp_path)


FIRST = {
    "loss": "logit-mse",
    "temperature": None,
    "temperature_end": None,
    "temperature_path": None,
    "hard_weight": None,
    "alpha": None,
    "beta": None,
    "standardise": False,
    "noise": None,
    "epochs": 32,
    "batch": 64,
    "lr": 1e-3,
    "seeds": 3,
    "baseline": True,
    "precision": "fp32",
}


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ({}, {}),
        (SOFT, {"temperature": 4.0, "temperature_path": "linear", "hard_weight": 0.0}),
        (DECOUPLED, {"temperature": 4.0, "temperature_path": "linear", "alpha": 1.0, "beta": 8.0}),
    ],
)
def test_what_the_first_losses_depend_on_is_what_it_was(given: dict[str, Any], resolved: dict[str, Any], tmp_path):
    # results made before there were other keys are found again
    assert settings(given | {"precision": "fp32"}, tmp_path)["distill"] == FIRST | given | resolved


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, SOFT),
        ({}, {"standardise": True}),
        ({}, {"noise": {"sigma": 0.5}}),
        ({"noise": {}}, {"noise": {"share": 0.2}}),
        (SOFT, {"temperature": 2.0}),
        (SOFT, {"hard_weight": 0.5}),
        (SOFT, {"temperature_end": 1.0}),
        (FALLING, {"temperature_path": "cosine"}),
        (DECOUPLED, {"alpha": 2.0}),
        (DECOUPLED, {"beta": 2.0}),
        (CORRELATION, {"inter": 0.0}),
        (CORRELATION, {"intra": 2.0}),
        (SOFT, {"dynamic_temperature": 3.0}),
        ({}, {"hard_weight": 0.5}),
        ({}, {"warm_up": 1}),
        ({}, {"weighting": "entropy"}),
        ({}, {"relational": {}}),
        ({}, {"mixture": "certainty"}),
        ({"relational": {}}, {"relational": {"distance": 1.0}}),
        ({"relational": {}}, {"relational": {"angle": 0.0}}),
        ({"relational": {}}, {"relational": {"of": "features"}}),
        ({}, {"hint_weight": 0.5}),
        ({"hint_weight": 0.5}, {"hint_weight": 0.5, "hint_layer": 1}),
        ({}, {"selection": {"uncertainty": 1.0}}),
        ({"selection": {"uncertainty": 1.0}}, {"selection": {"uncertainty": 0.5}}),
        ({}, {"schedule": "cosine"}),
        ({}, {"lr_warm_up": 0.15}),
        ({}, {"clip": None}),
        ({}, {"ema": 0.999}),
        ({}, {"weight_decay": 0.01}),
        ({}, {"compile": True}),
    ],
)
def test_every_key_of_a_loss_changes_the_fingerprint(given: dict[str, Any], more: dict[str, Any], tmp_path):
    assert settings(given, tmp_path) != settings(given | more, tmp_path)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, Options()),
        ({"standardise": True, "noise": {}}, Options(standardise=True, noise=Noise(0.9, 0.5))),
        (SOFT | {"hard_weight": 0.5}, Options(temperature=4.0, hard_weight=0.5)),
        (
            DECOUPLED | {"temperature": 9.0, "temperature_end": 2.0, "temperature_path": "cosine", "epochs": 5},
            Options(9.0, 2.0, "cosine", alpha=1.0, beta=8.0),
        ),
        (CORRELATION | {"dynamic_temperature": 3.0, "inter": 2.0}, Options(4.0, dynamic_temperature=3.0, inter=2.0)),
        (
            {
                "mixture": "certainty",
                "hint_weight": 0.5,
                "relational": {"angle": 0.0, "of": "features"},
                "hard_weight": 0.5,
                "warm_up": 3,
                "weighting": "entropy",
                "selection": {"uncertainty": 0.5},
            },
            Options(
                mixture="certainty",
                hint_weight=0.5,
                relational=Relations(25.0, 0.0, "features"),
                hard_weight=0.5,
                warm_up=3,
                weighting="entropy",
                selection=0.5,
            ),
        ),
    ],
)
def test_the_stage_gets_what_the_recipe_says(given: dict[str, Any], options: Options):
    assert distill._loss_options(Distill.model_validate(given)) == options


def test_keys_that_are_younger_than_results_stay_out_of_their_fingerprints(tmp_path: Path):
    young = {"schedule", "lr_warm_up", "clip", "ema", "weight_decay", "compile"}
    assert not young & set(settings({}, tmp_path)["distill"])
    assert not (young - {"weight_decay"}) & set(teacher.settings(job(Distill(), tmp_path))["train"])


def test_the_stage_trains_as_the_recipe_says(tmp_path: Path):
    asked = Distill(schedule="linear", lr_warm_up=0.1, clip=None, ema=0.99, compile=True)
    assert regime(asked, job(asked, tmp_path)) == Regime("linear", 0.1, None, 0.99, True)
    assert regime(Distill(), job(Distill(), tmp_path)) == Regime()


def test_a_student_without_dropout_depends_on_what_it_did_before_there_was_any(tmp_path: Path):
    plain = job(Distill(), tmp_path)
    assert distill.settings(plain)["student"] == {"conv": [], "bottleneck": None, "hidden": [512]}
    plain.recipe = plain.recipe.model_copy(update={"student": Student(dropout=Dropout(hidden=0.5))})
    assert distill.settings(plain)["student"]["dropout"] == {"input": 0.0, "hidden": 0.5}


def test_a_tracker_changes_no_fingerprint(tmp_path):
    assert settings({}, tmp_path) == settings({"tracker": "tensorboard"}, tmp_path)
