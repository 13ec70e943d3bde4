"""Text from outside shows nothing that a terminal obeys, and nothing that hides."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.formatting import untrusted


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(untrusted) == (0, 4)


@pytest.mark.parametrize(
    ("text", "shown"), [("plain", "plain"), ("\x1b[31mred", "?[31mred"), ("a\u202eb", "a?b"), ("x\ny", "x?y")]
)
def test_what_a_terminal_would_obey_is_not_printed(text: str, shown: str) -> None:
    assert untrusted.printable(text) == shown


@given(st.text())
def test_text_of_a_page_has_only_visible_characters_and_is_not_changed_twice(text: str) -> None:
    shown = untrusted.spelled_out(text)
    assert untrusted.spelled_out(shown) == shown
    assert all(character.isprintable() or character in "\t\n" or character.isspace() for character in shown)


def test_a_word_of_a_message_is_short() -> None:
    assert untrusted.short_word("x" * 100) == "x" * 77 + "..."
