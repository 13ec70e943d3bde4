"""Accuracy against median latency; a line joins the two models of one setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy.reports.figures import drawing
from kdeploy.reports.figures.drawing import COLOURS, FACES, MUTED, Part, drawn, legend, logarithmic, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Point:
    """One model in one setting; the intervals are None where there is none. Times ns, accuracies fractions of 1."""

    model: str
    part: Part
    setting: str
    latency_ns: int
    latency_interval: tuple[int, int] | None
    accuracy: float
    accuracy_range: tuple[float, float] | None


def trade_off(points: Sequence[Point], metric: str) -> str:
    """The plot of at least one point; `metric` is what their accuracies are."""
    return drawn("trade-off", 3.7, lambda axes: _draw(axes, points, metric))


def _draw(axes: Axes, points: Sequence[Point], metric: str) -> None:
    settings = list(dict.fromkeys(point.setting for point in points))
    for setting in settings:
        ours = [point for point in points if point.setting == setting]
        ends = [point for point in ours if point.part != "control"]
        times, heights = [point.latency_ns / 1e6 for point in ends], [100 * point.accuracy for point in ends]
        axes.plot(times, heights, color=MUTED, linewidth=0.7, zorder=2)
        for point in ours:
            _draw_point(axes, point, marker(settings, setting))
    times = [point.latency_ns / 1e6 for point in points]
    logarithmic(axes, "x", min(times) / 1.7, max(times) * 1.7)
    _keep_below_100(axes, points)
    axes.set_ylabel(f"{drawing.short(metric)}, %")
    axes.set_xlabel("median time of a call, ms")
    legend(axes, {point.model: point.part for point in points}, settings)


def _keep_below_100(axes: Axes, points: Sequence[Point]) -> None:
    """Set the span of accuracies: two points where they hardly differ, and never above 100 %."""
    ends = [100 * end for point in points for end in (point.accuracy, *(point.accuracy_range or ()))]
    low, high = min(ends), max(ends)
    pad = 0.18 * max(high - low, 2.0)
    axes.set_ylim(low - pad, max(high, min(high + pad, 100.0)) + pad / 4)


def _draw_point(axes: Axes, point: Point, shape: str) -> None:
    color, centre = COLOURS[point.part], (point.latency_ns / 1e6, 100 * point.accuracy)
    if point.accuracy_range:
        axes.plot([centre[0]] * 2, [100 * end for end in point.accuracy_range], color=color, linewidth=1.4, zorder=3)
    if point.latency_interval:
        axes.plot([end / 1e6 for end in point.latency_interval], [centre[1]] * 2, color=color, linewidth=1.4, zorder=3)
    face = FACES[point.part]
    axes.plot(*centre, shape, color=color, markerfacecolor=face, markersize=8, markeredgewidth=1.5, zorder=4)
