"""Does a recipe fit the data that were read?"""

from __future__ import annotations

import pytest

from kdeploy.errors import DataError
from kdeploy.recipe.fit import check_student, check_views
from kdeploy.recipe.student import Student
from kdeploy.recipe.views import Views

KINDS = {"image": "image", "x": "array"}


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [("shift", 2, "2"), ("crop", 1, "1"), ("flip", True, "true"), ("color", 0.5, "0.5"), ("cutout", 3, "3")],
)
def test_a_step_for_images_is_refused_for_an_array(key, value, got):
    for asked in ({key: value}, {"x": {key: value}}):
        with pytest.raises(DataError) as caught:
            check_views(Views.model_validate(asked), {"x": "array"})
        assert str(caught.value) == (
            f"views.{key}: must be left out for input 'x', which is an array ({got}). "
            "An array can have noise and mixup, and munge if it is a table."
        )


def test_munge_is_refused_for_an_image():
    with pytest.raises(DataError) as caught:
        check_views(Views.model_validate({"munge": {}}), {"image": "image"})
    assert str(caught.value) == (
        "views.munge: must be left out for input 'image', which is an image. "
        "It makes rows of a table: an image can have shift, crop, flip, color, noise, cutout and mixup."
    )


def test_each_of_two_inputs_may_have_views_of_its_kind():
    check_views(Views.model_validate({"image": {"shift": 2}, "x": {"noise": 0.1}, "mixup": 0.2}), KINDS)


def test_an_input_that_the_data_has_not_is_refused():
    with pytest.raises(DataError) as caught:
        check_views(Views.model_validate({"picture": {"shift": 2}}), KINDS)
    assert str(caught.value) == "views.picture: must name an input of the data: image, x (picture)."


def test_pooling_that_leaves_nothing_of_an_image_is_refused():
    student = Student.model_validate({"conv": [{"channels": 2, "pool": 4}, {"channels": 2, "pool": 3}]})
    check_student(student, (1, 12, 16))
    with pytest.raises(DataError) as caught:
        check_student(student, (1, 8, 16))
    assert str(caught.value) == (
        "student.conv[1].pool: must be at most 2, as its input is 2 x 4 (3). "
        "Pool less: nothing would be left of the image."
    )
