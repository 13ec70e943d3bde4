"""Read a recipe: strict YAML, then overrides, then the models; all problems at once, each with its file and line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kdeploy.errors import InputError, RecipeError, UsageError
from kdeploy.formatting.file_kinds import not_a_file
from kdeploy.recipe import variants, yaml12
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.yaml12 import Document, Place, dotted


@dataclass(frozen=True)
class LoadedRecipe:
    """A valid recipe, and where each of its places stands, for problems that are found later.

    `base` is the folder that teacher files are relative to.
    """

    recipe: Recipe
    path: str
    document: Document
    overridden: frozenset[Place] = frozenset()
    base: Path = Path()

    def where(self, place: Place) -> str:
        """A place as messages name it: `recipes/tiny.yaml:7`, or `--set data.numpy` where it is of the command line."""
        return _where(self.path, self.document, self.overridden, place)


def load(path: Path, overrides: Sequence[str] = (), variant: str | None = None) -> LoadedRecipe:
    """Read and validate a recipe file.

    Args:
        path: the YAML file.
        overrides: `key.path=value` strings, as `--set` takes them; they come after the variant.
        variant: one of the recipe's `variants`, or None for the recipe without them.
    Raises: InputError when there is no such file or variant; RecipeError with every problem; UsageError for an
        override that is not `key=value`.
    """
    if what := not_a_file(path):
        raise InputError(
            str(path), "must be a recipe file", got=what, advice="Those that ship go by name: kdeploy recipes."
        )
    try:
        with path.open("rb") as stream:
            text = stream.read(yaml12.MAX_BYTES + 1)
    except OSError as exc:
        raise InputError(str(path), "must be a readable recipe", got=exc.strerror or str(exc)) from exc
    return parse(text, str(path), overrides, base=path.parent, variant=variant)


def parse(
    text: bytes, path: str, overrides: Sequence[str] = (), *, base: Path = Path(), variant: str | None = None
) -> LoadedRecipe:
    """Validate the text of a recipe; `path` is what messages call it."""
    document = yaml12.read(text)
    problems = [(problem.line, f"{_at(path, problem.line)}: {problem.text}") for problem in document.problems]
    if not isinstance(document.value, dict):
        problems = problems or [(0, f"{path}: {_not_a_mapping(document.value)}")]
        raise RecipeError(path, [text for _, text in problems])
    if variant is not None:
        variants.apply(document, variant, path)
    overridden = frozenset(_override(document, one) for one in overrides)
    try:
        recipe = Recipe.model_validate(document.value)
    except ValidationError as exc:
        problems += _problems(exc, path, document, overridden)
    if problems:
        raise RecipeError(path, [text for _, text in sorted(problems, key=lambda problem: problem[0])])
    return LoadedRecipe(recipe, path, document, overridden, base)


def _not_a_mapping(value: object) -> str:
    got = "an empty file" if value is None else "a list" if isinstance(value, list) else _as_yaml(value)
    return f"a recipe must be a mapping (got {got}). See one: kdeploy recipes show mnist-5k."


def _override(document: Document, text: str) -> Place:
    """Set `a.b=value` in nested mappings, in place; the value is read as a YAML 1.2 value."""
    key, equals, raw = text.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise UsageError(
            "--set", "must be key=value", got=f"got {text!r}", advice="For example: --set student.bottleneck=128."
        )
    value = yaml12.read(raw.encode(errors="surrogateescape"))
    if value.problems:
        advice = "Put text that is not plain in quotes."
        raise UsageError(f"--set {key}", "must be given a YAML value", got=f"got {_clipped(repr(raw))}", advice=advice)
    place = _put(document.value, steps, value.value, key)
    _forget_lines(document, place)
    document.lines |= {(*place, *inner): 0 for inner in value.lines}
    return place


def _put(inside: dict[str, Any], steps: Sequence[str], value: object, key: str) -> Place:
    """Set a value deep inside; mappings on the way are made where there are none."""
    place: Place = ()
    values: Any = inside
    for step in steps[:-1]:
        place = (*place, _index(values, step, key))
        if isinstance(values, dict):
            values.setdefault(step, None)
        if not isinstance(values[place[-1]], dict | list):
            values[place[-1]] = {}
        values = values[place[-1]]
    place = (*place, _index(values, steps[-1], key))
    values[place[-1]] = value
    return place


def _index(values: object, step: str, key: str) -> str | int:
    if not isinstance(values, list):
        return step
    if not step.isdecimal() or len(step) > 18 or int(step) >= len(values):  # Python reads no number of any length
        last = len(values) - 1
        must = f"must name an entry from 0 to {last}" if values else "must not go into an empty list"
        raise UsageError(f"--set {key}", must, got=f"got {step!r}")
    return int(step)


def _forget_lines(document: Document, place: Place) -> None:
    """Forget the lines of a place that is replaced, and of all inside of it; line 0 stands for the command line."""
    for one in [one for one in document.lines if one[: len(place)] == place]:
        del document.lines[one]
    for length in range(1, len(place) + 1):
        document.lines.setdefault(place[:length], 0)


def _problems(
    error: ValidationError, path: str, document: Document, overridden: Iterable[Place]
) -> list[tuple[int, str]]:
    return [
        (
            document.line(_written(detail["loc"], document)),
            f"{_where(path, document, overridden, detail['loc'])}: {_say(detail, document)}",
        )
        for detail in error.errors()
        if not _is_echo(detail)
    ]


def _is_echo(detail: ErrorDetails) -> bool:
    """Is this problem said by another one?

    A list whose entries are wrong is also reported as too short (pydantic counts the valid ones only), and a pair of
    which both are missing is reported twice.
    """
    if detail["type"] == "missing" and isinstance(detail["loc"][-1], int):
        return detail["loc"][-1] > len(detail["input"])
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _say(detail: ErrorDetails, document: Document) -> str:
    place, kind = detail["loc"], detail["type"]
    name = dotted(_written(place, document)) or "the recipe"
    if kind == "extra_forbidden":
        return _unknown(place, name)
    if kind == "value_error":
        return f"{name} {detail['ctx']['error']}"
    advice = _said_in_model(place, "advice")
    return f"{name} {_must(detail)}{_got(detail)}." + (f" {advice}" if advice else "")


_MUST = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "too_short": "must have at least {min_length} {entries}",
    "too_long": "must have at most {max_length} {entries}",
}


def _must(detail: ErrorDetails) -> str:
    place, kind, context = detail["loc"], detail["type"], dict(detail.get("ctx", {}))
    for key, value in context.items():
        context[key] = int(value) if isinstance(value, float) and value.is_integer() else value
    if kind == "missing":
        return "must have more entries" if isinstance(place[-1], int) else "must be given"
    if kind == "string_pattern_mismatch":
        return _said_in_model(place, "must")
    limit = context.get("min_length", context.get("max_length"))
    return _MUST.get(kind, f"must be valid: {kind}").format(**context, entries="entry" if limit == 1 else "entries")


def _got(detail: ErrorDetails) -> str:
    found, kind = detail["input"], detail["type"]
    if kind in {"too_short", "too_long"} or (kind == "missing" and isinstance(detail["loc"][-1], int)):
        return f" (got {len(found)})"
    return "" if kind == "missing" else f" (got {_as_yaml(found)})"


def _as_yaml(value: object) -> str:
    """A value in a message, near to how its author wrote it."""
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else _clipped(repr(value))


def _clipped(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


# what other tools call a key, and its name here
_OTHER_NAMES = {"batch_size": "batch", "num_epochs": "epochs", "max_steps": "steps"}


def _unknown(place: Place, name: str) -> str:
    """The problem `x is not a known key`, with the nearest key of its section, or the sections that have such a key."""
    owner, key = _model_at(place[:-1]), str(place[-1])
    keys = sorted(owner.model_fields) if owner else []
    names = {one: one for one in keys} | {other: one for other, one in _OTHER_NAMES.items() if one in keys}
    names |= {other: other for other in _aliases(owner)}
    near = difflib.get_close_matches(key, names, n=1)
    homes = sorted(set(_homes(key, Recipe, "")))
    if homes and not difflib.get_close_matches(key, near, cutoff=0.8):
        hint = f"It belongs to {', '.join(homes[:-1])}{' or ' if homes[:-1] else ''}{homes[-1]}."
    elif near:
        hint = f"Did you mean {names[near[0]]!r}?"
    else:
        hint = f"Known keys: {', '.join(keys)}."
    return f"{name} is not a known key. {hint}"


def _aliases(owner: type[BaseModel] | None) -> Iterator[str]:
    """The other names that keys of a section may have."""
    for info in owner.model_fields.values() if owner else ():
        if isinstance(info.validation_alias, AliasChoices):
            yield from map(str, info.validation_alias.choices)


def _homes(key: str, model: type[BaseModel], name: str) -> Iterator[str]:
    """The sections that have a key, each as its author would write it."""
    for field, info in model.model_fields.items():
        if field == key:
            yield name or "the top level"
        if inner := _model_in(info.annotation):
            step = "teacher[0]" if field == "teacher" else field
            yield from _homes(key, inner, f"{name}.{step}" if name else step)


def _said_in_model(place: Place, what: str) -> str:
    """The `advice` or the `must` of a field, or of the list that an entry belongs to."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    owner = _model_at(place[:-1])
    info = owner.model_fields.get(str(place[-1])) if owner else None
    extra = info.json_schema_extra if info else None
    return str(extra.get(what, "")) if isinstance(extra, dict) else ""


def _model_at(place: Place) -> type[BaseModel] | None:
    """The model that the fields directly below `place` belong to."""
    model: type[BaseModel] | None = Recipe
    for step in place:
        # a number is an entry of a list, another step the name of an input: the annotation was entered already
        if model and isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation)
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for inner in typing.get_args(annotation) if (model := _model_in(inner))), None)


def _written(place: Place, document: Document) -> Place:
    """The place as its author wrote it: without steps that validation put in (a list around one entry, `inputs`)."""
    written: Place = ()
    for number, step in enumerate(place):
        last = number == len(place) - 1
        if (*written, step) in document.lines or (last and not isinstance(step, int)):
            written = (*written, step)
    return written


def _where(path: str, document: Document, overridden: Iterable[Place], place: Place) -> str:
    """A place on the command line when the value, something around it, or something inside it came from there."""
    place = _written(place, document)
    guilty = [one for one in overridden if place and (place[: len(one)] == one or one[: len(place)] == place)]
    if guilty:
        return " and ".join(sorted(f"--set {'.'.join(map(str, one))}" for one in guilty))
    return _at(path, document.line(place))


def _at(path: str, line: int) -> str:
    return f"{path}:{line}" if line else path
