"""Numbers as a person reads them: the only place with ms, MB, MMAC, percent and counts of things.

A page has typographic signs and three significant digits, and what was not measured reads as a dash there. A terminal
has ASCII and fixed decimals, so that a column stays aligned.
"""

from __future__ import annotations

import math

from kdeploy.formatting.ratios import interval_text, ratio_text

TIMES = "\N{MULTIPLICATION SIGN}"
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def significant(value: float, digits: int = 3) -> str:
    """A number with three significant digits, never an exponent.

    >>> [significant(value) for value in (0, 0.02134, 1.6, 1234.5)]
    ['0', '0.0213', '1.60', '1,234']
    """
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


# -- on a page


def milliseconds(value_ns: int | None) -> str:
    return DASH if value_ns is None else f"{significant(value_ns / 1e6)} ms"


def megabytes(value: int | None) -> str:
    return DASH if value is None else f"{significant(value / 1e6)} MB"


def mega_multiply_adds(value: int | None) -> str:
    return DASH if value is None else f"{significant(value / 1e6)} MMAC"


def giga(value: float, unit: str) -> str:
    """A number in billions of a unit.

    >>> giga(58e9, "FLOP/s")
    '58.0 GFLOP/s'
    """
    return f"{significant(value / 1e9)} G{unit}"


def count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def bits(information: float) -> str:
    """An amount of information.

    >>> bits(2.6234)
    '2.62 bits'
    """
    return f"{information:.2f} bits"


def percent(fraction: float | None) -> str:
    """A fraction in percent with two decimals, on a page and in a terminal.

    >>> percent(0.97667)
    '97.67 %'
    """
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


def points(percentage_points: float) -> str:
    """A distance in percentage points, without a sign.

    >>> points(0.6)
    '0.60 points'
    """
    return f"{percentage_points:.2f} points"


def error_size(value: float | None) -> str:
    return DASH if value is None else scientific(value).replace("-", MINUS)


def ratio(value: float | None) -> str:
    return DASH if value is None else f"{ratio_text(value)}{TIMES}"


def ratio_interval(low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else f"{interval_text(low, high)}{TIMES}"


def size_ratio(value: float) -> str:
    """A ratio of two sizes, with two decimals: a size is exact and needs no bound."""
    return f"{value:.2f}{TIMES}"


def rate(value: float | None) -> str:
    return DASH if value is None else f"{significant(value)}/s"


def several(number: int, noun: str) -> str:
    """A number of things, which may be one.

    >>> [several(number, "thread") for number in (1, 2, 1024)]
    ['1 thread', '2 threads', '1,024 threads']
    """
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


# -- in a terminal


def fixed_milliseconds(value_ns: int, decimals: int = 3) -> str:
    """Milliseconds with fixed decimals, for a column.

    >>> fixed_milliseconds(507_000), fixed_milliseconds(35_678_000, 1)
    ('0.507 ms', '35.7 ms')
    """
    return f"{value_ns / 1e6:.{decimals}f} ms"


def microseconds(value_ns: float) -> str:
    """Nanoseconds in whole microseconds.

    >>> microseconds(48_900)
    '49 us'
    """
    return f"{value_ns / 1e3:.0f} us"


def seconds(value_s: float) -> str:
    return f"{value_s:.0f} s"


def duration(value_s: float) -> str:
    """Seconds as people say them: hours with minutes, minutes with seconds below ten of them.

    >>> [duration(value) for value in (0.4, 59.4, 61, 3599, 7260)]
    ['1 s', '59 s', '1 min 01 s', '1 h 00 min', '2 h 01 min']
    """
    if value_s < 59.5:
        return f"{max(1, round(value_s))} s"
    if value_s < 597.5:
        minutes, seconds = divmod(round(value_s), 60)
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(round(value_s / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def size(count_bytes: int) -> str:
    """Bytes as MB, or as kB below a tenth of one.

    >>> size(99_999), size(100_000)
    ('100.0 kB', '0.10 MB')
    """
    return f"{count_bytes / 1e6:.2f} MB" if count_bytes >= 100_000 else f"{count_bytes / 1e3:.1f} kB"


def millions(number: int) -> str:
    return f"{number / 1e6:.2f} M"


def amount(number: int) -> str:
    """A count as it is, or in millions from a tenth of one.

    >>> amount(608), amount(1_234_567)
    ('608', '1.23 M')
    """
    return millions(number) if number >= 100_000 else str(number)


def whole(value: float) -> str:
    return f"{value:.0f}"


def thousands(value: float) -> str:
    return f"{value:,.0f}"


def whole_percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %"


def signed_percent(fraction: float) -> str:
    return f"{100 * fraction:+.1f} %"


def share(fraction: float, decimals: int = 1) -> str:
    """A percentage inside a sentence.

    >>> share(0.842), share(0.975, 2), share(0.95, 0)
    ('84.2%', '97.50%', '95%')
    """
    return f"{fraction:.{decimals}%}"


def points_plain(fraction: float) -> str:
    """A difference of two fractions in percentage points with its sign, in ASCII.

    >>> points_plain(-0.00133)
    '-0.13'
    """
    return f"{100 * fraction:+.2f}"


def bounds_plain(interval: tuple[float, float]) -> str:
    """An interval of differences of two fractions, in percentage points with their signs, in ASCII.

    >>> bounds_plain((-0.0062, 0.0035))
    '[-0.62, +0.35]'
    """
    return f"[{points_plain(interval[0])}, {points_plain(interval[1])}]"


def hundredths(fraction: float) -> str:
    """A percentage without its sign, for a list of them."""
    return f"{100 * fraction:.2f}"


def scientific(value: float) -> str:
    """An error with two digits and an exponent.

    >>> scientific(2e-6)
    '2.0e-06'
    """
    return f"{value:.1e}"
