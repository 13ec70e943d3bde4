"""Numbers and names as a person reads them: the only place with ms, MB and MMAC.

A value that was not measured reads as a dash.
"""

from __future__ import annotations

import math
import unicodedata

from kdeploy.formatting.ratios import interval_text, ratio_text

TIMES = "\N{MULTIPLICATION SIGN}"
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(text: str) -> str:
    r"""A text from outside with control, bidirectional and other invisible characters written out.

    >>> clean("a\u202eb\x1b[31m")
    'a\\u202eb\\u001b[31m'
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\t\n" or unicodedata.category(character) not in _INVISIBLE:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def significant(value: float, digits: int = 3) -> str:
    """Three significant digits, never an exponent.

    >>> [significant(value) for value in (0, 0.02134, 1.6, 1234.5)]
    ['0', '0.0213', '1.60', '1,234']
    """
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def milliseconds(value_ns: int | None) -> str:
    return DASH if value_ns is None else f"{significant(value_ns / 1e6)} ms"


def megabytes(value: int | None) -> str:
    return DASH if value is None else f"{significant(value / 1e6)} MB"


def mega_multiply_adds(value: int | None) -> str:
    return DASH if value is None else f"{significant(value / 1e6)} MMAC"


def count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def percent(fraction: float | None) -> str:
    return DASH if fraction is None else f"{100 * fraction:.2f} %"


def signed_points(fraction: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    if fraction is None:
        return DASH
    sign = MINUS if round(fraction, 4) < 0 else "+"
    return f"{sign}{abs(100 * fraction):.2f}"


def points_interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "not available"
    return f"{signed_points(interval[0])} to {signed_points(interval[1])} points"


def error_size(value: float | None) -> str:
    return DASH if value is None else f"{value:.1e}".replace("-", MINUS)


def ratio(value: float | None) -> str:
    return DASH if value is None else f"{ratio_text(value)}{TIMES}"


def ratio_interval(low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else f"{interval_text(low, high)}{TIMES}"


def metric(name: str) -> str:
    return "accuracy (top-1)" if name == "top1" else name


def rate(value: float | None) -> str:
    return DASH if value is None else f"{significant(value)}/s"


def sentence_case(text: str) -> str:
    """With a capital at the beginning, unless it begins with a file's name.

    >>> [sentence_case(text) for text in ("no claim", "student.onnx is", "")]
    ['No claim', 'student.onnx is', '']
    """
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.rstrip(":").isalpha() else text


def complete(text: str) -> str:
    """A sentence for the page: with its capital, and one full stop."""
    return f"{sentence_case(text).rstrip('.')}."


def several(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
