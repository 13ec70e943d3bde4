"""Test accuracy over the epochs, of every kind of network in a sweep: the mean of the seeds, and all of them as a band.

RESULTS.md links figures/<recipe>.svg, which is drawn from the records alone: the same records give the same bytes. The
first rise is cut off: the axis begins at the lowest accuracy after the first fifth of the epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import sections
from matplotlib.figure import Figure

from kdeploy.records.distill import Network
from kdeploy.records.sweep import SweepRow

_STYLE = {"svg.hashsalt": "kdeploy", "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}


def lines(name: str, rows: Sequence[SweepRow]) -> list[str]:
    """The link to the figure, which is drawn; nothing where no accuracy of an epoch was recorded."""
    curves = {
        f"{title}, {row.variant}" if row.variant else title: networks
        for row in rows
        for title, networks in (("on labels", row.baselines), ("mimic", row.students))
        if networks and all(network.curve for network in networks)
    }
    if not curves:
        return []
    return saved(name, "Test accuracy over the epochs", lambda: drawn(curves, seeds=max(map(len, curves.values()))))


def saved(name: str, title: str, draw: Callable[[], Figure]) -> list[str]:
    """The link to a figure, which is drawn in the style of all of them; without a date, so that its bytes stay."""
    target = sections.TARGET.parent / "figures" / f"{name}.svg"
    target.parent.mkdir(exist_ok=True)
    with mpl.rc_context(_STYLE):
        draw().savefig(target, metadata={"Date": None})
    return [f"![{title}](figures/{target.name})", ""]


def drawn(curves: dict[str, Sequence[Network]], *, seeds: int) -> Figure:
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for number, (title, networks) in enumerate(curves.items()):
        accuracies = 100 * np.array([network.curve for network in networks])
        epochs = np.arange(1, accuracies.shape[1] + 1)
        # labels and mimic differ in the dash, too, for a print without colours
        axes.plot(epochs, accuracies.mean(0), "--" if title.startswith("on") else "-", color=f"C{number}", label=title)
        axes.fill_between(epochs, accuracies.min(0), accuracies.max(0), color=f"C{number}", alpha=0.15, linewidth=0)
    axes.set(xlabel="epoch", ylabel=f"test accuracy, %: mean and range of {seeds} seed(s)", ylim=(lowest(curves), None))
    axes.legend(frameon=False)
    return figure


def lowest(curves: dict[str, Sequence[Network]]) -> float:
    """The lowest accuracy after the first fifth of the epochs, %; a little below it, for the line to be seen."""
    return (
        100 * min(min(network.curve[len(network.curve) // 5 :]) for networks in curves.values() for network in networks)
        - 0.2
    )
