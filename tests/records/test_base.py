"""A record comes back as it was; a newer minor version can be read, a newer major one is refused."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kdeploy.errors import InputError
from kdeploy.records.base import Part, Record, Unavailable


class Sample(Part):
    latency_ns: int
    share: float


class Example(Record):
    SCHEMA: ClassVar[str] = "kdeploy.example/2"

    name: str
    samples: tuple[Sample, ...] = ()
    note: str | None = None
    unavailable: tuple[Unavailable, ...] = ()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
SAMPLES = st.builds(Sample, latency_ns=st.integers(), share=FINITE)
# UTF-8 has no lone surrogates
TEXT = st.text(st.characters(codec="utf-8"))
EXAMPLES = st.builds(
    Example,
    name=TEXT,
    samples=st.lists(SAMPLES, max_size=3).map(tuple),
    note=st.none() | TEXT,
    unavailable=st.lists(st.builds(Unavailable, field=TEXT, reason=TEXT), max_size=2).map(tuple),
)


def _document(**changes: Any) -> str:
    return json.dumps({"schema": "kdeploy.example/2", "name": "a"} | changes)


@given(EXAMPLES)
def test_a_record_comes_back_as_it_was(record):
    assert Example.from_json(record.to_json(), where="record.json") == record


@given(EXAMPLES)
def test_the_schema_comes_first_and_the_text_ends_with_a_newline(record):
    text = record.to_json()
    assert next(iter(json.loads(text))) == "schema"
    assert text.startswith('{\n "schema": "kdeploy.example/2",\n "name": ') and text.endswith("}\n")


def test_a_record_is_read_from_a_file(tmp_path):
    path = tmp_path / "record.json"
    path.write_bytes(Example(name="é").sealed())
    assert Example.read(path) == Example(name="é")


def test_unknown_fields_are_ignored():
    text = _document(color="red", samples=[{"latency_ns": 1, "share": 0.5, "new": True}])
    assert Example.from_json(text, where="record.json").samples == (Sample(latency_ns=1, share=0.5),)


def test_a_newer_minor_version_is_read():
    assert Example.from_json(_document(schema="kdeploy.example/2.7"), where="record.json").name == "a"


@pytest.mark.parametrize(
    ("schema", "got"),
    [
        ("kdeploy.bench/2", "schema 'kdeploy.bench/2'"),
        ("", "schema ''"),
        (None, "schema None"),
        (2, "schema 2"),
    ],
)
def test_another_schema_is_refused(schema, got):
    with pytest.raises(InputError) as caught:
        Example.from_json(_document(schema=schema), where="record.json")
    assert str(caught.value) == f"record.json: must have the schema kdeploy.example/2 ({got})."


@pytest.mark.parametrize(
    ("schema", "advice"),
    [
        ("kdeploy.example/1", "An older kdeploy wrote it: run that again."),
        ("kdeploy.example/1.3", "An older kdeploy wrote it: run that again."),
        ("kdeploy.example/3", "A newer kdeploy wrote it: use that one."),
        ("kdeploy.example/20", "A newer kdeploy wrote it: use that one."),
    ],
)
def test_a_record_of_another_version_says_what_to_do(schema, advice):
    with pytest.raises(InputError) as caught:
        Example.from_json(_document(schema=schema), where="record.json")
    must = "record.json: must have the schema kdeploy.example/2"
    assert str(caught.value) == f"{must} (schema {schema!r}). {advice}"


def test_a_list_is_refused():
    with pytest.raises(InputError) as caught:
        Example.from_json("[]", where="record.json")
    assert str(caught.value) == "record.json: must have the schema kdeploy.example/2 (schema None)."


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_what_is_not_json_is_refused(text, got):
    with pytest.raises(InputError) as caught:
        Example.from_json(text, where="record.json")
    assert str(caught.value) == f"record.json: must be a JSON record ({got})."


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused_on_reading(number):
    text = _document(samples=[{"latency_ns": 1, "share": 0}]).replace('"share": 0', f'"share": {number}')
    assert number in text
    with pytest.raises(InputError, match=r"^record\.json: must be a record of kdeploy\.example/2 \("):
        Example.from_json(text, where="record.json")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_on_writing(number):
    with pytest.raises(ValidationError, match="finite number"):
        Sample(latency_ns=1, share=number)


def test_a_missing_field_is_refused():
    with pytest.raises(InputError) as caught:
        Example.from_json('{"schema": "kdeploy.example/2"}', where="record.json")
    assert str(caught.value) == "record.json: must be a record of kdeploy.example/2 (name: Field required)."


def test_a_record_is_frozen():
    record = Example(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        record.name = "b"
