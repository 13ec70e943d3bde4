"""What a feed is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES, feed
from kdeploy.pipeline.store import Store
from kdeploy.recipe.models import Recipe
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 6, 5), np.uint8)
ARRAYS = np.random.default_rng(0).normal(size=(8, 7)).astype(np.float32)
KINDS = {"image": "image", "x": "array"}


def samples(**inputs: np.ndarray) -> SampleSet:
    parts = {"labeled": [1, 4], "unlabeled": [0, 6], "held_out": [2, 3], "test": [5, 7]}
    return SampleSet(
        inputs=inputs,
        labels=np.array([-1, 0, 1, 0, 1, 0, -1, 1]),
        parts={name: np.array(rows) for name, rows in parts.items()},
        class_names=("a", "b"),
        kinds={name: KINDS[name] for name in inputs},  # type: ignore[misc]
    )


def job(folder: Path, **asked: Any) -> Job:
    values = {"name": "a", "data": {"source": "mnist-5k"}, "teacher": [{"model": "deep-cnn"}], "views": asked}
    return Job(Recipe.model_validate(values), Store(folder), {}, "")


def fed(given: Job, digits: SampleSet) -> Feed:
    """What a built-in model of a job is fed, of samples that are opened already."""
    given._opened, given.prints = digits, {SAMPLES.key: "0"}
    return feed(given, digits.plain_preprocessing)


def test_a_feed_has_the_settings_of_its_input_and_mixes_in_the_transfer_set_only(tmp_path):
    asked: dict[str, Any] = {
        "shift": 2,
        "crop": 1,
        "rotate": 9.0,
        "zoom": 0.1,
        "flip": True,
        "color": 0.5,
        "noise": 0.1,
        "cutout": 3,
    }
    digits = samples(image=IMAGES)
    for one in (asked, {"image": asked}):
        made = fed(job(tmp_path, count=4, seed=9, mixup=0.2, **one), digits)
        assert made.views == Views(9, mixup=0.2, **asked)
        assert made.partners is not None
        assert made.partners.tolist() == [0, 1, 4, 6]


def test_an_array_is_fed_with_noise_and_mixup(tmp_path):
    rows = samples(x=ARRAYS)
    made = fed(job(tmp_path, noise=0.1, mixup=0.2), rows)
    assert not np.allclose(made.view(np.arange(8), 0).numpy(), ARRAYS, atol=1e-3)


def test_a_table_is_fed_with_munge_over_its_transfer_set(tmp_path):
    rows = samples(x=ARRAYS)
    asked = {"probability": 0.5, "variance": 2.0, "nominal": [6]}
    for one in ({"munge": asked}, {"x": {"munge": asked}}):
        made = fed(job(tmp_path, **one), rows)
        assert made.munge is not None
        assert made.munge.pool.tolist() == [0, 1, 4, 6]
        assert (made.munge.probability, made.munge.variance, made.munge.nominal) == (0.5, 2.0, (6,))
        assert (made.view(np.array([0, 1]), 0).numpy() != ARRAYS[:2]).any()


def test_a_training_on_labels_does_not_depend_on_munge(tmp_path):
    for one in ({"munge": {}}, {"x": {"munge": {}}}):
        with_munge, without = job(tmp_path, **one), job(tmp_path, **({"x": {}} if "x" in one else {}))
        assert with_munge.recipe.views.of_labeled == without.recipe.views.of_labeled
        assert with_munge.recipe.views.settings() != without.recipe.views.settings()


def test_a_training_on_labels_depends_on_neither_count_nor_mixup(tmp_path):
    asked = job(tmp_path, count=3, shift=2, mixup=0.2)
    assert asked.recipe.views.settings() == {"count": 3, "shift": 2, "mixup": 0.2}
    assert asked.recipe.views.of_labeled.settings() == {"shift": 2}
