"""Ratios of two times as a person reads them, everywhere the same: terminal, claims, page and Markdown.

Two decimals below 2, where a hundredth tells, then one. Bounds are rounded outwards, the low one down and the high one
up, so that no text claims more than was measured.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal


def ratio_text(value: float) -> str:
    """A ratio rounded to the nearest.

    >>> [ratio_text(value) for value in (0.984, 1.999, 2.04, 10.24)]
    ['0.98', '2.00', '2.0', '10.2']
    """
    return _rounded(value, ROUND_HALF_EVEN)


def low_bound(value: float) -> str:
    """A lower bound, rounded down.

    >>> low_bound(7.39)
    '7.3'
    """
    return _rounded(value, ROUND_FLOOR)


def high_bound(value: float) -> str:
    """An upper bound, rounded up.

    >>> high_bound(7.31)
    '7.4'
    """
    return _rounded(value, ROUND_CEILING)


def interval_text(low: float, high: float) -> str:
    """An interval, from the low bound to the high one, in the low one's decimals.

    >>> [interval_text(*ends) for ends in ((8.89, 10.31), (1.901, 2.04))]
    ['8.8 to 10.4', '1.90 to 2.04']
    """
    decimals = _decimals(low)
    return f"{_rounded(low, ROUND_FLOOR, decimals)} to {_rounded(high, ROUND_CEILING, decimals)}"


def _rounded(value: float, towards: str, decimals: int | None = None) -> str:
    """A value rounded in decimals: in floats one that is just beyond a hundredth would become that hundredth."""
    step = Decimal(1).scaleb(-(_decimals(value) if decimals is None else decimals))
    return str(Decimal(repr(value)).quantize(step, towards))


def _decimals(value: float) -> int:
    return 2 if value < 2 else 1
