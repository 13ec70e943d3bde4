"""How long single calls took: one ridge an arm, over the logarithm of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from kdeploy.formatting.numbers import milliseconds
from kdeploy.reports.figures.drawing import COLOURS, Part, drawn, logarithmic, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Distribution:
    """All counted calls of one arm, ns."""

    model: str
    part: Part
    setting: str
    calls_ns: Sequence[int]


def distributions(arms: Sequence[Distribution]) -> str:
    """The plot of at least one arm."""
    return drawn("calls", 0.6 + 0.62 * len(arms), lambda axes: _draw(axes, arms))


def _draw(axes: Axes, arms: Sequence[Distribution]) -> None:
    import numpy as np

    times = [np.asarray(arm.calls_ns, dtype=np.float64) / 1e6 for arm in arms]
    ends = [np.quantile(calls, (0.01, 0.99)) for calls in times]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    edges = np.geomspace(low / 1.15, high * 1.15, 161)
    for place, (arm, calls) in enumerate(zip(arms, times, strict=True)):
        base = float(len(arms) - 1 - place)
        heights = np.histogram(calls, edges)[0].astype(np.float64)
        ridge = base + 0.8 * heights / max(1.0, heights.max())
        color = COLOURS[arm.part]
        axes.stairs(ridge, edges, baseline=base, fill=True, color=color, alpha=0.22, linewidth=0)
        axes.stairs(ridge, edges, baseline=None, color=color, linewidth=1.1)
    logarithmic(axes, "x", low / 1.15, high * 1.15, room=30.0)  # the names take half of the width
    _name_ridges(axes, arms)
    axes.set_xlabel("time of a call, ms")


def _name_ridges(axes: Axes, arms: Sequence[Distribution]) -> None:
    medians = [milliseconds(round(median(arm.calls_ns))) for arm in arms]
    names = [f"{short(arm.setting)}\n{short(arm.model)}, {time}" for arm, time in zip(arms, medians, strict=True)][::-1]
    axes.set_yticks([place + 0.3 for place in range(len(arms))], names)
    axes.set_ylim(-0.08, len(arms) + 0.1)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
