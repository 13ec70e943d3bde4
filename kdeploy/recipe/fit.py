"""Checks of a recipe against the data that were read: what no recipe can know before, and before hours of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from kdeploy.errors import DataError
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.student import Compact, Student
from kdeploy.recipe.views import Views


def check_fit(
    recipe: Recipe, shape: Sequence[int], kinds: Mapping[str, Literal["image", "array"]], *, labeled: bool
) -> None:
    """Refuse a recipe whose student, views, teachers or gate do not fit the samples.

    Args:
        shape: of one sample.
        kinds: of the inputs, by name.
        labeled: is there any label?
    Raises: DataError when the student or the views are for images and the samples are none, or for an input that the
        data has not, or for something that only labels can say where there is none.
    """
    check_student(recipe.student, shape)
    check_views(recipe.views, kinds)
    if not labeled:
        _check_without_labels(recipe)


def check_top(top: int | None, classes: int) -> None:
    """Refuse to keep more logits than there are classes.

    Raises: DataError.
    """
    if top is not None and top > classes:
        must, got = f"must be at most the number of classes, {classes}", str(top)
        raise DataError("labels.top", must, got=got, advice="Set labels.kind to logits to keep all.")


def _check_without_labels(recipe: Recipe) -> None:
    for number, teacher in enumerate(recipe.teacher):
        if teacher.model is not None:
            must = "must be left out where nothing is labelled, as a built-in teacher learns from labels"
            advice = "Name a trained teacher: onnx, torch, run, timm, torchvision or huggingface."
            raise DataError(f"teacher[{number}].model", must, got=teacher.model, advice=advice)
    if recipe.gate.max_drop is not None:
        known = "accuracy" if recipe.outputs == "classes" else "quality"
        must = f"must be left out where nothing is labelled, as {known} is not known then"
        advice = "Ask for gate.min_agreement."
        raise DataError("gate.max_drop", must, got=f"{recipe.gate.max_drop:g}", advice=advice)


def check_student(student: Student, shape: Sequence[int]) -> None:
    """Refuse a student for images where a sample, of this shape, is none, or is pooled away.

    Raises: DataError.
    """
    for key, given in (("conv", bool(student.conv)), ("locality", student.locality is not None)):
        if given and len(shape) != 3:
            raise DataError(
                f"student.{key}",
                "must be left out where samples are not (channels, height, width)",
                got=f"samples of shape {tuple(shape)}",
                advice=f"Remove student.{key}.",
            )
    if student.conv:
        _check_pools(student, (shape[1], shape[2]))
    if student.compact is not None:
        _check_compact(student.compact, shape)
    if student.called is not None and student.family != "torch" and len(shape) != 3:
        must = "must be left out where samples are not (channels, height, width)"
        got = f"samples of shape {tuple(shape)}"
        raise DataError(f"student.{student.family}", must, got=got, advice="It is a network for images.")


def _check_compact(compact: Compact, shape: Sequence[int]) -> None:
    """Refuse what leaves nothing of an image, or another grid than is asked for."""
    if len(shape) != 3:
        must = "must be left out where samples are not (channels, height, width)"
        got = f"samples of shape {tuple(shape)}"
        raise DataError("student.compact", must, got=got, advice="Remove student.compact.")
    shrunk = compact.pool ** (len(compact.widths) - 1)
    left = (shape[1] // shrunk, shape[2] // shrunk)
    if min(left) < 1 or left[0] % compact.grid or left[1] % compact.grid:
        must = f"must divide what its stages leave of {shape[1]} x {shape[2]}, {left[0]} x {left[1]}"
        advice = "Lower grid or pool, or give fewer widths."
        raise DataError("student.compact.grid", must, got=str(compact.grid), advice=advice)


def _check_pools(student: Student, size: tuple[int, int]) -> None:
    """Refuse pooling that leaves nothing of an image of this (height, width)."""
    for number, convolution in enumerate(student.conv):
        left = (size[0] // convolution.pool, size[1] // convolution.pool)
        if min(left) < 1:
            must = f"must be at most {min(size)}, as its input is {size[0]} x {size[1]}"
            advice = "Pool less: nothing would be left of the image."
            raise DataError(f"student.conv[{number}].pool", must, got=str(convolution.pool), advice=advice)
        size = left


def check_views(views: Views, kinds: Mapping[str, Literal["image", "array"]]) -> None:
    """Refuse settings for an input that the data has not, and settings for images on an array."""
    unknown = sorted(set(views.inputs) - set(kinds))
    if unknown:
        raise DataError(f"views.{unknown[0]}", f"must name an input of the data: {', '.join(kinds)}", got=unknown[0])
    for name, kind in kinds.items():
        if kind == "image" and views.of(name).munge:
            advice = "It makes rows of a table: an image can have shift, crop, flip, color, noise, cutout and mixup."
            must = f"must be left out for input {name!r}, which is an image"
            raise DataError("views.munge", must, advice=advice)
        for key, value in views.of(name).model_dump().items():
            if kind == "array" and value and key not in ("noise", "munge"):
                must = f"must be left out for input {name!r}, which is an array"
                advice = "An array can have noise and mixup, and munge if it is a table."
                raise DataError(f"views.{key}", must, got=str(value).lower(), advice=advice)
