"""Scalars as YAML 1.2 has them; what could hurt or mislead is refused, with its line."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kdeploy.recipe import yaml12
from kdeploy.recipe.yaml12 import MAX_BYTES, MAX_DEPTH, MAX_NODES, Problem, dotted
from tests.recipe.quoting import QuotingDumper


def _value(text: str) -> object:
    document = yaml12.read(text.encode())
    assert document.problems == []
    return document.value


def _problems(text: str | bytes) -> list[Problem]:
    document = yaml12.read(text if isinstance(text, bytes) else text.encode())
    return document.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.10", 1.1),
        (".5", 0.5),
        ("-2.", -2.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("-0", 0),
        ("on", "on"),
        ("no", "no"),
        ("y", "y"),
        ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nan", "nan"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e999", math.inf),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ('"10"', "10"),
        ("'true'", "true"),
        ("a-b", "a-b"),
    ],
)
def test_a_scalar_is_read_as_yaml_1_2(text, value):
    found = _value(f"key: {text}")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_nan_is_a_number():
    assert math.isnan(_value("key: .nan")["key"])


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "0o" + "7" * 5000])
def test_a_number_with_too_many_digits_is_text(text):
    assert _value(f"key: {text}") == {"key": text}


@given(st.floats(allow_nan=False))
def test_every_float_that_python_writes_is_read_back(number):
    text = repr(number).replace("inf", ".inf")
    assert yaml12.scalar(text) == number


@given(st.integers(-(10**28), 10**28))
def test_every_integer_is_read_back(number):
    assert yaml12.scalar(str(number)) == number


@example("0E0")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_what_pyyaml_writes_is_read_back(value):
    assert _value(yaml.dump(value, Dumper=QuotingDumper)) == value


def test_each_place_has_its_line():
    document = yaml12.read(b"# first\na: 1\nb:\n  - {c: 2}\n  -\n    d: 3\n")
    assert document.lines == {(): 2, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 0, "c"): 4, ("b", 1): 6, ("b", 1, "d"): 6}


def test_a_place_that_is_not_there_has_the_line_of_the_place_around_it():
    document = yaml12.read(b"# first\na:\n  b: 1\n")
    assert document.line(("a", "c", 0)) == 2
    assert document.line(("z",)) == 2


def test_a_byte_order_mark_is_taken():
    assert yaml12.read("\ufeffa: 1".encode()).value == {"a": 1}


def test_an_empty_text_is_nothing():
    assert yaml12.read(b"") == yaml12.Document()
    assert yaml12.read(b"# only a comment\n").value is None


TWO_DOCUMENTS = "a recipe must be one YAML document (got another). Remove everything from its '---' on."
A_TAB = "must be YAML (found character '\\t' that cannot start any token). Indent with spaces."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: &x [1]\n", Problem(2, "anchors and aliases are not allowed. Write the value out.")),
        ("a: *x\n", Problem(1, "anchors and aliases are not allowed. Write the value out.")),
        ("a: 1\n---\nb: 2\n", Problem(2, TWO_DOCUMENTS)),
        ("a: 1\n\tb: 2\n", Problem(2, A_TAB)),
        ("a: 1\nb: [1, 2\nc: 3\n", Problem(3, "must be YAML (expected ',' or ']', but got ':').")),
        ("a: 'x\n", Problem(2, "must be YAML (found unexpected end of stream).")),
        ("a: 1\nb: 2\na: 3\n", Problem(3, "a must be given once (it is also on line 1). Remove one of them.")),
        (
            "s:\n  - {x: 1,\n     x: 2}\n",
            Problem(3, "s[0].x must be given once (it is also on line 2). Remove one of them."),
        ),
        ("? [1]\n: 2\n", Problem(1, "a key must be a word (got a list or a mapping).")),
        ('a: "\\ud800"\n', Problem(1, "text must be Unicode (got half of a surrogate pair).")),
        ("a: \x00", Problem(0, "must be YAML (unacceptable character #x0000: special characters are not allowed).")),
        (b"a: \xff", Problem(0, "the file must be UTF-8 (got invalid start byte at byte 3). Save it as UTF-8.")),
        (
            "a: 1".encode("utf-16"),
            Problem(0, "the file must be UTF-8 (got invalid start byte at byte 0). Save it as UTF-8."),
        ),
        (
            "a: 1".encode("utf-16-le"),
            Problem(0, "must be YAML (unacceptable character #x0000: special characters are not allowed)."),
        ),
    ],
)
def test_a_problem_is_a_whole_sentence_with_its_line(text, problem):
    assert _problems(text) == [problem]


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("!!python/object/apply:os.system", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!python/name:os.system", "tag:yaml.org,2002:python/name:os.system"),
        ("!!binary", "tag:yaml.org,2002:binary"),
        ("!!str", "tag:yaml.org,2002:str"),
        ("!mine", "!mine"),
        ("!<%1B[31m>", "'\\x1b[31m'"),
    ],
)
@pytest.mark.parametrize("value", ["[id]", "{x: 1}", "12"])
def test_a_tag_is_refused(tag, shown, value):
    assert _problems(f"a: 1\nb: {tag} {value}\n") == [Problem(2, f"tags are not allowed (got {shown}). Remove it.")]


def test_every_tag_and_every_double_key_is_told():
    assert [problem.line for problem in _problems("a: !x 1\nb: !y 2\na: 3\n")] == [1, 2, 3]


def _laughs() -> str:
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


TOO_BIG = f"the file must have at most {MAX_BYTES} bytes (got more)."
TOO_DEEP = f"a recipe must have at most {MAX_DEPTH} levels (got more)."
TOO_MANY = f"a recipe must have at most {MAX_NODES} keys and values (got more)."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(_laughs(), Problem(1, "anchors and aliases are not allowed. Write the value out."), id="laughs"),
        pytest.param("[" * 5000, Problem(1, TOO_DEEP), id="5,000 lists"),
        pytest.param("{a: " * 5000, Problem(1, TOO_DEEP), id="5,000 mappings"),
        pytest.param("- " * 5000, Problem(1, TOO_DEEP), id="5,000 block lists"),
        pytest.param("a:\n" + "- 1\n" * MAX_NODES, Problem(MAX_NODES - 1, TOO_MANY), id="many values"),
        pytest.param(b"a" * (100 << 20), Problem(0, TOO_BIG), id="100 MB"),
    ],
)
@pytest.mark.timeout(60)  # what is not refused at once takes hours, or all memory
def test_a_text_without_bounds_is_refused_without_being_built(text, problem):
    assert _problems(text) == [problem]


def test_the_limits_themselves_are_allowed():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert _problems(deepest) == []
    assert _problems("[" + deepest + "]") == [Problem(1, TOO_DEEP)]
    most = "- 1\n" * (MAX_NODES - 1)
    assert _problems(most) == []
    assert _problems(most + "- 1\n") == [Problem(MAX_NODES, TOO_MANY)]
    assert _problems("#" * MAX_BYTES) == []
    assert _problems("#" * (MAX_BYTES + 1)) == [Problem(0, TOO_BIG)]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(content):
    yaml12.read(content)


@given(st.text(alphabet="ab:-[]{}!&*#|>'\"%@`\n\t ,?0.1", max_size=60))
def test_no_yaml_like_text_makes_the_reader_fail(text):
    for problem in _problems(text):
        assert problem.text.endswith(".")


def test_a_place_is_shown_as_a_path():
    assert dotted(("teacher", 0, "onnx")) == "teacher[0].onnx"
    assert dotted(()) == ""


def test_a_key_that_could_spoil_a_message_is_shown_quoted():
    assert dotted(("data", "a\nb")) == "data.'a\\nb'"
    assert dotted(("",)) == "''"
    assert dotted(("x" * 1000,)) == "x" * 77 + "..."
