"""The headline of a benchmark: what a reader should know after ten seconds, with bounds and not with hopes.

The least of all settings speaks: the comparison whose bound is nearest to 1 among those that make a claim.
"""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy.formatting.numbers import (
    DASH,
    TIMES,
    megabytes,
    milliseconds,
    percent,
    ratio_interval,
    several,
    size_ratio,
)
from kdeploy.formatting.ratios import high_bound, low_bound
from kdeploy.formatting.sentences import metric, sentence_case
from kdeploy.reports.comparisons import TimedPair
from kdeploy.reports.headline import CLAIMING, Tile


def sentence(pairs: Sequence[TimedPair]) -> str:
    """A sentence on which model is faster, by how much at least, where, and at what size of the files."""
    if not pairs:
        return "Nothing was timed."
    first, shown = pairs[0], claiming(pairs)
    if not shown:
        return sentence_case(
            f"{first.candidate.model} is not shown to be faster or slower than {first.baseline.model}."
        )
    weakest = shown[0]
    where = "" if len(shown) == len(pairs) else f" in {len(shown)} of {several(len(pairs), 'setting')} timed"
    hedge = "indication only: " if weakest.row.status == "indicative" else ""
    speed = f"{hedge}{weakest.candidate.model} is at least {_bound(weakest)} as {weakest.baseline.model}{where}"
    return sentence_case(f"{speed}, and {_size(weakest)} its size.")


def proof(pairs: Sequence[TimedPair]) -> str:
    """The claim in the benchmark's own words, with the circumstances under which it holds."""
    return _speaking(pairs).row.claim if pairs else "no comparison was asked for"


def tiles(pairs: Sequence[TimedPair]) -> tuple[Tile, ...]:
    """The tiles on speed, time, quality and bytes, of the comparison that speaks."""
    if not pairs:
        return ()
    pair = _speaking(pairs)
    return (_speed_tile(pair), _time_tile(pair), _quality_tile(pair), _size_tile(pair))


def claiming(pairs: Sequence[TimedPair]) -> list[TimedPair]:
    """The comparisons that show a difference, the least first; those that are faster, unless all are slower."""
    shown = [pair for pair in pairs if pair.row.status in CLAIMING and pair.row.low is not None]
    faster = [pair for pair in shown if (pair.row.low or 0) > 1]
    return sorted(faster, key=lambda pair: pair.row.low or 0) or sorted(shown, key=lambda pair: -(pair.row.high or 0))


def _speaking(pairs: Sequence[TimedPair]) -> TimedPair:
    return (claiming(pairs) or pairs)[0]


def _bound(pair: TimedPair) -> str:
    low, high = pair.row.low, pair.row.high
    assert low is not None and high is not None
    return f"{low_bound(low)}{TIMES} as fast" if low > 1 else f"{low_bound(1 / high)}{TIMES} as slow"


def _size(pair: TimedPair) -> str:
    return size_ratio(pair.candidate.artifact.bytes / max(1, pair.baseline.artifact.bytes))


def _speed_tile(pair: TimedPair) -> Tile:
    row = pair.row
    if row.status not in CLAIMING or row.low is None or row.high is None:
        return Tile("Speed-up", DASH, row.status.replace("_", " "))
    detail = f"{pair.setting}, {ratio_interval(row.low, row.high)}, {row.status}"
    if row.low > 1:
        tone = "good" if row.status == "supported" else ""
        return Tile("Speed-up, at least", f"{low_bound(row.low)}{TIMES}", detail, tone)
    return Tile("Speed-up, at most", f"{high_bound(row.high)}{TIMES}", detail, "bad")


def _time_tile(pair: TimedPair) -> Tile:
    times = [milliseconds(arm.latency_ns.median.value if arm.latency_ns else None) for _, arm in pair.arms]
    return Tile("Median call", times[1], f"{pair.setting}; {pair.baseline.model} {times[0]}")


def _quality_tile(pair: TimedPair) -> Tile:
    values = [percent(arm.quality.value if arm.quality else None) for _, arm in pair.arms]
    if DASH in values:
        return Tile("Accuracy", DASH, "not compared: no labels")
    found = pair.candidate.quality
    assert found is not None
    return Tile(sentence_case(metric(found.metric)), values[1], f"against {values[0]}, on {several(found.n, 'input')}")


def _size_tile(pair: TimedPair) -> Tile:
    detail = f"{megabytes(pair.candidate.artifact.bytes)} against {megabytes(pair.baseline.artifact.bytes)}"
    return Tile("Model files", _size(pair), detail)
