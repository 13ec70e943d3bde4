"""The roofline (Williams, Waterman and Patterson 2009): FLOP/s reached against FLOPs a byte that must move.

    roof(intensity) = min(peak_flops, bandwidth * intensity)

A model under the slope waits for memory, one under the level part for arithmetic; what is far below both waits for
neither, but for the calls themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy.reports.figures.drawing import COLOURS, MUTED, Part, dash, drawn, legend, logarithmic, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class RoofPoint:
    """One arm: its FLOPs a byte, the FLOP/s it reached, and the roof that was measured in between its blocks."""

    model: str
    part: Part
    setting: str
    intensity: float
    flops_per_second: float
    peak_flops: float
    bandwidth: float


def roofline(arms: Sequence[RoofPoint]) -> str:
    """The plot of at least one arm."""
    return drawn("roofline", 3.7, lambda axes: _draw(axes, arms))


def _draw(axes: Axes, arms: Sequence[RoofPoint]) -> None:
    settings = list(dict.fromkeys(arm.setting for arm in arms))
    edges = [point for arm in arms for point in (arm.intensity, arm.peak_flops / arm.bandwidth)]
    low, high = min(edges) / 4, max(edges) * 4
    for setting in settings:
        _draw_roof(axes, [arm for arm in arms if arm.setting == setting], (low, high), dash(settings, setting))
    for arm in arms:
        place, shape = (arm.intensity, arm.flops_per_second / 1e9), marker(settings, arm.setting)
        axes.plot(*place, shape, color=COLOURS[arm.part], markersize=8, zorder=4)
    logarithmic(axes, "x", low, high)
    speeds = [speed / 1e9 for arm in arms for speed in (arm.flops_per_second, arm.peak_flops)]
    logarithmic(axes, "y", min(speeds) / 2, max(speeds) * 1.5)
    axes.set_xlabel("FLOPs a byte")
    axes.set_ylabel("GFLOP/s")
    legend(axes, {arm.model: arm.part for arm in arms}, settings)


def _draw_roof(axes: Axes, arms: Sequence[RoofPoint], ends: tuple[float, float], pattern: object) -> None:
    """Draw the higher of the roofs that were measured for the arms of one setting."""
    peak, bandwidth = max(arm.peak_flops for arm in arms), max(arm.bandwidth for arm in arms)
    places = (ends[0], peak / bandwidth, ends[1])
    heights = [min(peak, bandwidth * place) / 1e9 for place in places]
    axes.plot(places, heights, color=MUTED, linewidth=1.1, linestyle=pattern, zorder=2)
