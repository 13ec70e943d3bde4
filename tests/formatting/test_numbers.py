"""Numbers as a person reads them."""

from __future__ import annotations

import doctest
import re

from kdeploy.formatting import numbers
from tests.program import REPOSITORY

# a factor of a unit, or decimals, inside the braces of an f-string
FORMATTED = re.compile(r"\{[^{}]*(?:/ ?1e[369]|:[+,]*\.\d[ef%])[^{}]*\}")


def test_the_examples_of_the_docstrings_hold() -> None:
    failed, tried = doctest.testmod(numbers)
    assert failed == 0
    assert tried >= 12


def test_values_that_were_not_measured_read_as_a_dash() -> None:
    readers = (numbers.milliseconds, numbers.megabytes, numbers.mega_multiply_adds, numbers.count, numbers.percent)
    readers += (numbers.signed_points, numbers.error_size, numbers.ratio)
    assert {read(None) for read in readers} == {"\u2013"}


def test_a_difference_that_rounds_to_nothing_has_no_minus_sign() -> None:
    assert numbers.signed_points(-0.00001) == "+0.00"


def formatted(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if FORMATTED.search(line)]


def test_nothing_else_that_a_command_or_a_report_prints_formats_numbers() -> None:
    files = [path for folder in ("cli", "reports") for path in (REPOSITORY / "kdeploy" / folder).rglob("*.py")]
    assert len(files) > 20
    assert [line for path in files for line in formatted(path.read_text(encoding="utf-8"))] == []


def test_a_number_that_is_formatted_is_seen() -> None:
    lines = ['f"{value / 1e6} ms"', 'f"{share:.1%}"', 'f"{error:.1e}"', 'f"{rate:,.0f}"', 'f"{points:+.2f}"']
    assert formatted("\n".join(lines)) == lines
