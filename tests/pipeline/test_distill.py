from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdeploy.losses.options import LossOptions, Noise, Relations, Selection
from kdeploy.pipeline import distill, teacher
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.store import Store
from kdeploy.recipe.data import Data
from kdeploy.recipe.distill import Distill
from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.student import Student
from kdeploy.recipe.teacher import Labels, Teacher

SOFT = {"loss": "soft-targets"}
DECOUPLED = {"loss": "decoupled"}
CORRELATION = {"loss": "correlation"}
FALLING = SOFT | {"temperature_end": 1.0}
USUAL = LossOptions(temperature=4.0, beta=8.0)  # what a recipe says that says nothing


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


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, SOFT),
        ({}, {"standardize": True}),
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
        ({}, USUAL),
        ({"standardize": True, "noise": {}}, replace(USUAL, standardize=True, noise=Noise(0.9, 0.5))),
        (SOFT | {"hard_weight": 0.5}, replace(USUAL, loss="soft-targets", hard_weight=0.5)),
        (
            DECOUPLED | {"temperature": 9.0, "temperature_end": 2.0, "temperature_path": "cosine", "epochs": 5},
            LossOptions("decoupled", 9.0, 2.0, "cosine", alpha=1.0, beta=8.0),
        ),
        (
            CORRELATION | {"dynamic_temperature": 3.0, "inter": 2.0},
            replace(USUAL, loss="correlation", dynamic_temperature=3.0, inter=2.0),
        ),
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
            replace(
                USUAL,
                mixture="certainty",
                hint_weight=0.5,
                relational=Relations(25.0, 0.0, "features"),
                hard_weight=0.5,
                warm_up=3,
                weighting="entropy",
                selection=Selection(0.5),
            ),
        ),
    ],
)
def test_the_stage_gets_what_the_recipe_says(given: dict[str, Any], options: LossOptions):
    assert Distill.model_validate(given).options(LossOptions) == options


def test_a_fingerprint_says_nothing_that_equals_its_default(tmp_path: Path):
    assert settings({"precision": "fp32"}, tmp_path) == {
        "student": {},
        "distill": {"threads": 1, "precision": "fp32"},
    }
    assert teacher.settings(job(Distill(), tmp_path), 0)["train"].keys() == {"threads", "precision"}


def test_a_students_dropout_counts(tmp_path: Path):
    plain = job(Distill(), tmp_path)
    plain.recipe = plain.recipe.model_copy(update={"student": Student(dropout=Dropout(hidden=0.5))})
    assert distill.settings(plain)["student"] == {"dropout": {"hidden": 0.5}}


def test_a_tracker_changes_no_fingerprint(tmp_path):
    assert settings({}, tmp_path) == settings({"tracker": "tensorboard"}, tmp_path)
