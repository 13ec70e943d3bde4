"""Text from outside is printed without what a terminal would obey."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.cli import output


@given(st.text("[]/\\:=# abred"))
def test_a_line_is_printed_as_it_is(text):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        output.line(text)
    assert shown.getvalue() == f"{text}\n"


@pytest.mark.parametrize("name", ["\\[red]x", "[/]", "[bold]", ":warning:"])
def test_a_cell_is_printed_as_it_is(capsys, name):
    output.table("models", ("name", "size"), [(name, "1")])
    assert capsys.readouterr().out.splitlines()[2].split() == [name, "1"]


def test_a_long_line_is_not_wrapped(capsys):
    output.line("x" * 500)
    assert capsys.readouterr().out == "x" * 500 + "\n"
