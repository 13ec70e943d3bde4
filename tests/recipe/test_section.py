"""What a section says in a fingerprint, and the options of a component that it fills."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from kdeploy.losses.options import LossOptions
from kdeploy.recipe import data, distill, dropout, models, student, teacher, training, views
from kdeploy.recipe.distill import Distill
from kdeploy.recipe.models import Bench, Export, Recipe
from kdeploy.recipe.section import Section
from kdeploy.recipe.training import Training
from kdeploy.stages.bench import BenchOptions
from kdeploy.stages.distill import DistillOptions
from kdeploy.stages.export import low_rank
from kdeploy.stages.export.run import ExportOptions
from kdeploy.training.options import TrainingOptions

MODULES = (data, distill, dropout, models, student, teacher, training, views)


def sections() -> dict[str, type[Section]]:
    found = {name: value for module in MODULES for name, value in vars(module).items() if _is_section(value)}
    assert len(found) > 20
    return found


def _is_section(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Section) and value is not Section


def defaults(section: type[Section]) -> str:
    """Eight digits over each field's default."""
    table = {
        name: info.get_default(call_default_factory=True).model_dump(mode="json")
        if isinstance(info.get_default(call_default_factory=True), BaseModel)
        else info.get_default(call_default_factory=True)
        for name, info in section.model_fields.items()
        if not info.is_required()
    }
    return hashlib.sha256(json.dumps(table, sort_keys=True, default=list).encode()).hexdigest()[:8]


# What equals its default is not said in a fingerprint. So whoever changes a default bumps the SCHEMA of the record of
# each stage that reads the section, or results that were made with the old default would pass for new ones; then the
# new digits stand here. A new key changes digits too, and bumps nothing when its default does what was done before.
DEFAULTS = {
    "Bench": "ad0e80a2",
    "Compact": "2ba323f4",
    "Convolution": "a92f498b",
    "Data": "5308d56e",
    "Distill": "f23f40c1",
    "Dropout": "9afeb1ad",
    "Ensemble": "8fd9c42a",
    "Export": "8bc4e514",
    "Gate": "541028a7",
    "InputViews": "bc6031b7",
    "Labels": "ab35671a",
    "LayerBottleneck": "44136fa3",
    "Munge": "bc570315",
    "Origin": "d1ba89d2",
    "Rank": "dff35187",
    "Recipe": "4025aa99",
    "Relational": "c1957769",
    "Selection": "44136fa3",
    "Split": "323c9c5a",
    "Student": "fba3cad9",
    "Teacher": "b4edb4ec",
    "TeacherNoise": "3563b732",
    "TeacherPreprocess": "5f69bb04",
    "TeacherTraining": "021aa1ed",
    "Training": "bfc63a57",
    "Transfer": "15d7a8ca",
    "Views": "496c5f8a",
}


@pytest.mark.parametrize("name", sorted(sections()))
def test_a_default_that_changed_bumps_a_schema(name: str):
    assert defaults(sections()[name]) == DEFAULTS[name]


def test_every_section_stands_in_the_table_of_defaults():
    assert DEFAULTS.keys() == sections().keys()


class Knobs(Section):
    strength: float = 1.0
    name: str = "a"
    inner: dropout.Dropout | None = None


@given(strength=st.floats(-9, 9), name=st.text(max_size=3), inner=st.none() | st.floats(0, 0.9))
def test_what_equals_its_default_is_not_said_and_all_else_is(strength: float, name: str, inner: float | None):
    made = Knobs(strength=strength, name=name, inner=None if inner is None else dropout.Dropout(hidden=inner))
    expected: dict[str, Any] = {}
    expected |= {} if strength == 1.0 else {"strength": strength}
    expected |= {} if name == "a" else {"name": name}
    expected |= {} if inner is None else {"inner": {"hidden": inner} if inner else {}}
    assert made.settings() == expected


def test_keys_without_an_effect_are_not_said():
    assert Distill(device="cpu", tracker="tensorboard", seeds=2).settings() == {"seeds": 2}


def test_settings_of_a_recipe_are_plain_json():
    recipe = Recipe.model_validate(
        {
            "name": "a",
            "data": {"source": "mnist-5k"},
            "teacher": [{"model": "mlp", "hidden": [3, 4]}],
            "student": {"hidden": [5]},
        }
    )
    assert json.loads(json.dumps(recipe.student.settings())) == recipe.student.settings() == {"hidden": [5]}
    assert recipe.members[0].settings() == {"model": "mlp", "hidden": [3, 4]}
    assert recipe.data.settings() == {"kind": "source"}


FILLED = [
    (Training, TrainingOptions, {"require_exact", "precision"}),
    (Distill, LossOptions, set()),
    (Distill, DistillOptions, {"training", "loss"}),
    (Export, ExportOptions, set()),
    (Bench, BenchOptions, set()),
]


@pytest.mark.parametrize(("section", "kind", "resolved"), FILLED)
def test_every_field_of_the_options_is_a_key(section: type[Section], kind: Any, resolved: set[str]):
    assert {field.name for field in fields(kind)} - resolved <= section.model_fields.keys()


def _keys_of(kinds: Iterator[Any]) -> set[str]:
    return {field.name for kind in kinds for field in fields(kind)}


@pytest.mark.parametrize(
    ("section", "elsewhere"),
    [(Training, set()), (Distill, set()), (Bench, set()), (Export, {"formats"})],
)
def test_every_key_reaches_the_options_of_a_component(section: type[Section], elsewhere: set[str]):
    filled = _keys_of(kind for one, kind, _ in FILLED if issubclass(section, one))
    assert section.model_fields.keys() - elsewhere <= filled


def test_a_section_in_a_section_becomes_the_class_that_the_field_names():
    asked = Distill.model_validate({"noise": {}, "relational": {"angle": 1.0}, "selection": {"uncertainty": 0.5}})
    options = asked.options(LossOptions)
    assert options.noise is not None
    assert options.relational is not None
    assert options.selection is not None
    assert options.noise._asdict() == {"sigma": 0.9, "share": 0.5}
    assert options.relational._asdict() == {"distance": 25.0, "angle": 1.0, "of": "logits"}
    assert options.selection._asdict() == {"uncertainty": 0.5}
    assert Distill().options(LossOptions).noise is None


def test_a_bottleneck_is_a_form_or_a_rank():
    assert Export().options(ExportOptions).bottleneck == "auto"
    rank = Export.model_validate({"bottleneck": {"rank": 3}}).options(ExportOptions).bottleneck
    assert rank == low_rank.Rank(rank=3)


@pytest.mark.parametrize("spelled", ["lr", "learning_rate"])
def test_the_learning_rate_has_two_names(spelled: str):
    assert Distill.model_validate({spelled: 0.5}).lr == 0.5


def _choices(annotation: Any) -> set[str]:
    """The words that a Literal allows, or one in a union; none for another type."""
    inside = [_choices(one) for one in get_args(annotation) if get_origin(annotation) is not Literal]
    words = (
        {one for one in get_args(annotation) if isinstance(one, str)} if get_origin(annotation) is Literal else set()
    )
    return words.union(*inside)


@pytest.mark.parametrize(("section", "kind", "resolved"), FILLED)
def test_a_key_allows_the_words_that_its_component_knows(section: type[Section], kind: Any, resolved: set[str]):
    types = get_type_hints(kind)
    for name in types.keys() - resolved:
        assert _choices(section.model_fields[name].annotation) == _choices(types[name]), name
