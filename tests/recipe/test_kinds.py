"""What a recipe may say of each kind of outputs, and what it is told of what it may not."""

from __future__ import annotations

import pytest

from kdeploy.errors import RecipeError
from kdeploy.recipe.load import parse
from kdeploy.recipe.models import Recipe

DATA, TEACHER = "data: {numpy: d.npz}", "teacher: [{onnx: t.onnx}]"


def recipe(outputs: str, more: str = "", data: str = DATA, teacher: str = TEACHER) -> Recipe:
    return parse(f"name: r\n{data}\n{teacher}\noutputs: {outputs}\n{more}\n".encode(), "r.yaml").recipe


def problem(outputs: str, *parts: str, **places: str) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe(outputs, *parts, **places)
    return str(caught.value).removeprefix("r.yaml: ")


def test_outputs_have_their_own_defaults():
    assert recipe("values").distill.loss == "squared"
    assert recipe("values").labels.dtype == "float32"
    assert (recipe("labels").distill.loss, recipe("labels").labels.dtype) == ("logit-mse", "float16")
    assert recipe("values", "distill: {loss: huber, epochs: 3}").distill.loss == "huber"


def test_classes_are_what_is_learned_where_nothing_is_said_and_add_nothing():
    said, unsaid = recipe("classes"), parse(f"name: r\n{DATA}\n{TEACHER}\n".encode(), "r.yaml").recipe
    assert said == unsaid
    assert said.settings() == unsaid.settings()


@pytest.mark.parametrize(
    ("outputs", "more", "sentence"),
    [
        (
            "values",
            "distill: {loss: soft-targets}",
            "must have a distill.loss of outputs values: squared and huber (got soft-targets). "
            "Name one of them, or leave it out.",
        ),
        (
            "classes",
            "distill: {loss: huber}",
            "must have a distill.loss of outputs classes: logit-mse, probability-mse, soft-targets, decoupled and "
            "correlation (got huber). Name one of them, or leave it out.",
        ),
        (
            "values",
            "labels: {kind: topk, top: 2}",
            "must have a labels.kind of outputs values: logits and features (got topk). "
            "Leave it out for logits, which are the outputs as they are.",
        ),
        (
            "labels",
            "distill: {match_prior: true}",
            "must not have distill.match_prior with outputs labels. Remove it.",
        ),
        (
            "values",
            "distill: {noise: {}}",
            "must not have distill.noise with outputs values. Remove it.",
        ),
    ],
)
def test_what_has_no_meaning_for_the_outputs_is_refused(outputs: str, more: str, sentence: str):
    assert problem(outputs, more).endswith(sentence)


def test_targets_must_be_numbers_beside_the_inputs():
    assert problem("values", data="data: {images: pets}").endswith(
        "must have numpy or parquet under data for outputs values (got data.images). "
        "Give the targets as numbers beside the inputs."
    )
    assert problem("labels", data="data: {numpy: d.npz, test: {images: pets}}").endswith(
        "(got data.test.images). Give the targets as numbers beside the inputs."
    )
    assert problem("values", data="data: {numpy: d.npz, classes: [a, b]}").endswith(
        "must not have data.classes with outputs values. Remove it."
    )


def test_a_built_in_teacher_must_have_a_last_layer_that_takes_a_unit_up():
    assert problem("values", teacher="teacher: [{model: whitened-cnn}]").endswith(
        "must have mlp and deep-cnn as a built-in teacher of outputs values (got teacher[0].model whitened-cnn). "
        "Name one of them."
    )


def test_teachers_of_values_are_no_mean_of_probabilities():
    two = "teacher: [{onnx: a.onnx}, {onnx: b.onnx}]"
    assert problem("values", "ensemble: {mean: probabilities}", teacher=two).endswith(
        "must not have ensemble.mean with outputs values. Remove it."
    )
