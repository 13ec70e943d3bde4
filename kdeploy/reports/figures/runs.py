"""Several runs: the quality of each student against its median latency, numbered as in the table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy.reports.figures.drawing import ACCENT, INK, MUTED, drawn, logarithmic, marker, settings_legend, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class RunPoint:
    """The student of a run in one setting, ns and a fraction of 1; or the teacher of the run, for orientation."""

    number: int
    is_teacher: bool
    setting: str
    latency_ns: int
    quality: float


def runs(points: Sequence[RunPoint], metric: str) -> str:
    """The plot of at least one point; `metric` is what their qualities are."""
    return drawn("runs", 3.7, lambda axes: _draw(axes, points, metric))


def _draw(axes: Axes, points: Sequence[RunPoint], metric: str) -> None:
    settings = list(dict.fromkeys(point.setting for point in points))
    for point in points:
        place, color = (point.latency_ns / 1e6, 100 * point.quality), INK if point.is_teacher else ACCENT
        axes.plot(*place, marker(settings, point.setting), color=color, markersize=7, zorder=3)
        if not point.is_teacher:
            axes.annotate(str(point.number), place, (6, 5), textcoords="offset points", color=MUTED, fontsize=9)
    times = [point.latency_ns / 1e6 for point in points]
    logarithmic(axes, "x", min(times) / 1.7, max(times) * 1.7)
    axes.margins(y=0.15)
    axes.set_xlabel("median time of a call, ms")
    axes.set_ylabel(f"{short(metric)}, %")
    settings_legend(axes, {"teacher": INK, "student of run": ACCENT}, settings)
