"""Samples a second against the batch, both logarithmic; a model that gains nothing from a larger batch is level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from kdeploy.formatting.numbers import count
from kdeploy.reports.figures.drawing import COLOURS, Part, drawn, legend, logarithmic, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Rate:
    """One model in one setting, at one batch; samples a second with their interval."""

    model: str
    part: Part
    setting: str
    batch: int
    rate: float
    interval: tuple[float, float] | None


def throughput(rates: Sequence[Rate]) -> str:
    """The plot of at least one rate."""
    return drawn("throughput", 3.7, lambda axes: _draw(axes, rates))


def _draw(axes: Axes, rates: Sequence[Rate]) -> None:
    settings = list(dict.fromkeys(rate.setting for rate in rates))
    ordered = sorted(rates, key=lambda rate: (rate.model, rate.setting, rate.batch))
    for (_, setting), found in groupby(ordered, key=lambda rate: (rate.model, rate.setting)):
        _draw_model(axes, list(found), marker(settings, setting))
    batches = sorted({rate.batch for rate in rates})
    ends = [end for rate in rates for end in (rate.rate, *(rate.interval or ()))]
    logarithmic(axes, "y", min(ends) / 1.4, max(ends) * 1.4)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, list(map(count, batches)))
    axes.set_xlabel("samples a call")
    axes.set_ylabel("samples a second")
    legend(axes, {rate.model: rate.part for rate in rates}, settings)


def _draw_model(axes: Axes, rates: Sequence[Rate], shape: str) -> None:
    color = COLOURS[rates[0].part]
    axes.plot([rate.batch for rate in rates], [rate.rate for rate in rates], color=color, linewidth=1.1, marker=shape)
    for rate in rates:
        if rate.interval:
            axes.plot([rate.batch] * 2, list(rate.interval), color=color, linewidth=1.6)
