"""The course of the training of one kind of network, a line a seed: its loss or quality against the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy.formatting.numbers import count
from kdeploy.reports.figures.drawing import COLOURS, Part, drawn, logarithmic, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Curves:
    """The networks of one kind: what is drawn of each, at equal distances up to its last step; `caption` says what.

    `is_loss`: a mean over the steps since the point before, on a logarithmic axis; else a quality after those steps.
    """

    name: str
    caption: str
    part: Part
    steps: int
    courses: Sequence[Sequence[float]]
    unit: str
    is_loss: bool


def curves(found: Curves) -> str:
    """The plot of at least one course of at least one point."""
    return drawn(f"training-{found.name}", 2.7, lambda axes: _draw(axes, found))


def _draw(axes: Axes, found: Curves) -> None:
    for course in found.courses:
        places = [(place + (0.5 if found.is_loss else 1)) * found.steps / len(course) for place in range(len(course))]
        look = "-" if len(course) > 1 else "o"
        axes.plot(places, course, look, color=COLOURS[found.part], linewidth=1.1, alpha=0.85)
    values = [value for course in found.courses for value in course]
    if found.is_loss and min(values) > 0:
        logarithmic(axes, "y", min(values) / 1.2, max(values) * 1.2)
    axes.set_xlim(0, found.steps)
    axes.set_xlabel(f"{count(found.steps)} steps")
    axes.set_ylabel(short(found.unit))
