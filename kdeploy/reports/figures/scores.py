"""The quality of each network that was trained: a line a model, a mark a seed.

It opens a page where no times can be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy.reports.figures.drawing import COLOURS, FACES, LINE, Part, drawn, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Score:
    """One model: the qualities of its networks, fractions of 1, and an interval where there is one."""

    model: str
    part: Part
    qualities: Sequence[float]
    interval: tuple[float, float] | None = None


def scores(found: Sequence[Score], metric: str) -> str:
    """The plot of at least one model; `metric` is what their qualities are."""
    return drawn("scores", 0.9 + 0.45 * len(found), lambda axes: _draw(axes, found, metric))


def _draw(axes: Axes, found: Sequence[Score], metric: str) -> None:
    for place, score in enumerate(reversed(found)):
        color = COLOURS[score.part]
        values, heights = [100 * value for value in score.qualities], [place] * len(score.qualities)
        axes.plot([0, 100], [place, place], color=LINE, linewidth=0.6, zorder=1)
        if score.interval:
            axes.plot([100 * end for end in score.interval], [place] * 2, color=color, linewidth=1.4, zorder=2)
        axes.plot(values, heights, "o", color=color, markerfacecolor=FACES[score.part], markersize=8, zorder=3)
    axes.set_yticks(range(len(found)), [short(score.model) for score in reversed(found)])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.set_xlim(*_span(found))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{metric}, %")


def _span(found: Sequence[Score]) -> tuple[float, float]:
    """From below the least to above the best: two points at least, and hardly above 100 %."""
    ends = [100 * end for score in found for end in (*score.qualities, *(score.interval or ()))]
    low, high = min(ends), max(ends)
    pad = 0.15 * max(high - low, 2.0)
    return low - pad, min(high + pad, max(100.0, high) + pad / 3)
