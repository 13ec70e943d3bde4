"""Recipes drawn from the schema of pydantic: keys, values at and within their bounds; some with one thing wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kdeploy.recipe.models import Recipe
from tests import made
from tests.fuzz.campaign import Words
from tests.fuzz.mutations import bytes_changed

SECTIONS = ("views", "labels", "student", "distill", "export", "bench", "gate", "ensemble")
ODD = (
    None,
    True,
    -1,
    0,
    1e400,
    float("nan"),
    2**63,
    2**31 - 1,
    "",
    "x",
    "\u0000",
    "../..",
    [],
    {},
    [[]],
    {"a": {}},
    1e-320,
)
BESIDE = {  # a key, and what must be said beside it
    "temperature": {"loss": "soft-targets"},
    "temperature_end": {"loss": "soft-targets"},
    "temperature_path": {"loss": "soft-targets", "temperature_end": 2.0},
    "dynamic_temperature": {"loss": "soft-targets"},
    "alpha": {"loss": "decoupled"},
    "beta": {"loss": "decoupled"},
    "inter": {"loss": "correlation"},
    "intra": {"loss": "correlation"},
    "top": {"kind": "topk", "top": 2},
    "components": {"kind": "features", "components": 2},
}
LARGE_ONE_IN = 40  # a number at its upper bound asks for real memory in some keys


@cache
def schema() -> dict[str, Any]:
    return Recipe.model_json_schema()


def case(number: int, folder: Path) -> list[Words]:
    """A recipe of which two keys in three draws are only what the schema allows, and the data that it names."""
    draw = random.Random(f"recipe {number}")
    made.images(folder / "images.npz", count=60)
    made.linear(folder / "teacher.onnx", (1, 8, 8))
    recipe = _recipe(draw)
    if draw.random() < 0.25:
        _spoil(recipe, draw)
    text = _written(recipe, draw)
    if draw.random() < 0.05:
        text = bytes_changed(text, draw)
    (folder / "r.yaml").write_bytes(text)
    return [["kdeploy", "plan", "r.yaml", "--data-root", ".", "--no-time", *draw.choice([[], [], ["--json"]])]]


def _written(recipe: dict[str, Any], draw: random.Random) -> bytes:
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    try:
        return (json.dumps(recipe) if draw.random() < 0.1 else text).encode(errors="surrogatepass")
    except ValueError:
        return text.encode(errors="surrogatepass")


def _recipe(draw: random.Random) -> dict[str, Any]:
    teacher = draw.choice([{"model": "deep-cnn"}, {"model": "mlp"}, {"onnx": "teacher.onnx"}])
    split = {"labeled": 20, "unlabeled": 10, "held_out": 10, "test": 20}
    data: dict[str, Any] = {"numpy": "images.npz", "split": split, "seed": draw.randrange(9)}
    recipe: dict[str, Any] = {"name": "fuzz", "data": data, "teacher": [teacher]}
    for name in draw.sample(SECTIONS, draw.randint(0, 4)):
        recipe[name] = _section(schema()["properties"][name], draw)
    if "ensemble" in recipe:
        recipe["teacher"].append({"model": "deep-cnn", "train": {"seed": 1}})
    return recipe


def _section(rule: dict[str, Any], draw: random.Random) -> Any:
    rule = _resolved(rule)
    if "anyOf" in rule:
        rule = _resolved(rule["anyOf"][0])
    properties = rule["properties"]
    needed = rule.get("required", [])
    optional = [key for key in properties if key not in needed]
    chosen = [*needed, *draw.sample(optional, min(len(optional), draw.choice([0, 1, 1, 2, 3])))]
    section = {key: _value(properties[key], draw) for key in chosen}
    for key in chosen:
        section |= BESIDE.get(key, {})
    return section


def _resolved(rule: dict[str, Any]) -> dict[str, Any]:
    return schema()["$defs"][rule["$ref"].rsplit("/", 1)[1]] if "$ref" in rule else rule


def _value(rule: dict[str, Any], draw: random.Random) -> Any:  # noqa: PLR0911 - a kind of rule, a line
    if "anyOf" in rule:
        return _value(draw.choice(rule["anyOf"]), draw)
    rule = _resolved(rule)
    if "const" in rule or "enum" in rule:
        return rule.get("const", draw.choice(rule.get("enum", [None])))
    match rule.get("type"):
        case "null":
            return None
        case "boolean":
            return draw.random() < 0.5
        case "integer" | "number" as kind:
            return _number(rule, kind, draw)
        case "array":
            return _array(rule, draw)
        case "object":
            return _section(rule, draw) if "properties" in rule else {}
        case _:
            return rule.get("default", draw.choice(["onnxruntime", "auto", "a"]))


def _number(rule: dict[str, Any], kind: str, draw: random.Random) -> float:
    least = rule.get("minimum", rule.get("exclusiveMinimum", 0))
    most = rule.get("maximum", rule.get("exclusiveMaximum", least + 100))
    if kind == "integer":
        at_bound = [most - ("exclusiveMaximum" in rule)] if draw.randrange(LARGE_ONE_IN) == 0 else []
        return draw.choice(
            [int(least), *at_bound] if at_bound else [draw.randint(int(least), int(min(most, least + 64)))]
        )
    return draw.choice([draw.uniform(least, min(most, least + 10)), rule.get("default") or least + (most - least) / 3])


def _array(rule: dict[str, Any], draw: random.Random) -> list[Any]:
    if "prefixItems" in rule:
        return [_value(one, draw) for one in rule["prefixItems"]]
    if rule["items"].get("type") == "string":
        return list(rule.get("default") or ["onnx"])
    return [_value(rule["items"], draw) for _ in range(draw.randint(rule.get("minItems", 0), 3))]


def _spoil(recipe: dict[str, Any], draw: random.Random) -> None:
    """Make one place wrong: another type or range, a key too few, too many or misspelt."""
    chosen = list(places(recipe))
    holder, key = draw.choice(chosen)
    match draw.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.choice(["nmae", "", "a.b", "é", key + "s", "<<"])] = draw.choice(ODD)
        case 2 if isinstance(holder[key], int | float):
            holder[key] = draw.choice([-holder[key], holder[key] * 10**6, float(holder[key]), str(holder[key]), 2**70])
        case 3:
            other, name = draw.choice(chosen)
            holder[key] = json.loads(json.dumps(other[name]))
        case _:
            holder[key] = draw.choice(ODD)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from places(inner)
