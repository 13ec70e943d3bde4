"""A sustained run: the median of each window over the median of the first tenth, so that models share one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from kdeploy.records.bench import Sustained
from kdeploy.reports.figures.drawing import COLOURS, MUTED, Part, dash, drawn, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Course:
    """One arm over the time of its run, which has a window at least."""

    model: str
    part: Part
    setting: str
    run: Sustained


def sustained(courses: Sequence[Course]) -> str:
    """The plot of at least one course."""
    return drawn("sustained", 3.3, lambda axes: _draw(axes, courses))


def relative(run: Sustained) -> list[float]:
    """The median of each window in percent of the beginning: 103 is 3 % slower."""
    medians = [window.median_ns for window in run.windows]
    start = median(medians[: max(1, len(medians) // 10)])
    return [100 * value / start for value in medians]


def _draw(axes: Axes, courses: Sequence[Course]) -> None:
    settings = list(dict.fromkeys(course.setting for course in courses))
    axes.axhline(100, color=MUTED, linewidth=0.7)
    for course in courses:
        minutes = [window.at_ns / 60e9 for window in course.run.windows]
        pattern = dash(settings, course.setting)
        axes.plot(minutes, relative(course.run), color=COLOURS[course.part], linewidth=1.3, linestyle=pattern)
    axes.margins(x=0)
    axes.set_xlabel("minutes")
    axes.set_ylabel("median, % of the start")
    legend(axes, {course.model: course.part for course in courses}, settings, lines=True)
