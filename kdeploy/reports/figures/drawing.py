"""What the plots share: inline SVG whose colours are the page's CSS variables, so that they follow light and dark mode.

matplotlib draws with placeholder colours and without text outlines; the placeholders become `var(--...)` and the ids of
each figure get a prefix of their own. Drawn without a date and with fixed ids: the same records give the same bytes.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from kdeploy.formatting.untrusted import spelled_out
from kdeploy.runtimes.scratch import scratch_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Part = Literal["baseline", "candidate", "control"]  # control: the candidate's network, trained without a teacher

# placeholder colour -> CSS variable of the page
INK, MUTED, LINE, ACCENT, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", PAPER: "--paper"}
COLOURS: Mapping[Part, str] = {"baseline": INK, "candidate": ACCENT, "control": ACCENT}
FACES: Mapping[Part, str] = {"baseline": INK, "candidate": ACCENT, "control": PAPER}
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))

_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
}
_WIDTH_INCHES = 4.8
_LONGEST_LABEL = 24
_LONGEST_ROW = 44  # letters of a row of keys
_MARKERS = "os^Dvp"


def drawn(name: str, height_inches: float, draw: Callable[[Axes], None]) -> str:
    """The SVG element of a figure, ready to stand inside HTML; `name` makes its ids its own."""
    with _private_configuration():
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"kdeploy-{name}"}):
            # the layout makes room inside of the figure, so that a letter is as large in one plot as in another
            figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
            draw(figure.add_subplot())
            text = io.StringIO()
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return _for_page(text.getvalue(), name)


def marker(settings: Sequence[str], setting: str) -> str:
    """The shape of a setting, the same in all plots."""
    return _MARKERS[settings.index(setting) % len(_MARKERS)]


def dash(settings: Sequence[str], setting: str) -> Any:  # noqa: ANN401 - a word or a pattern, as matplotlib takes it
    return DASHES[settings.index(setting) % len(DASHES)]


def short(text: str) -> str:
    """A name from outside, short enough for a plot."""
    text = spelled_out(text)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 3] + "..."


def legend(axes: Axes, models: Mapping[str, Part], settings: Sequence[str], *, lines: bool = False) -> None:
    """Draw the keys: models by colour and, where there are several, settings by shape, or by how `lines` are dashed."""
    keys = [_key(name, color=COLOURS[part], markerfacecolor=FACES[part], marker="o") for name, part in models.items()]
    if len(settings) == 1:
        _below(axes, keys, len(keys) if sum(len(short(name)) for name in models) < _LONGEST_ROW else 1)
        return
    looks = [{"linestyle": dash(settings, name)} if lines else {"marker": marker(settings, name)} for name in settings]
    shapes = [_key(name, color=MUTED, **look) for name, look in zip(settings, looks, strict=True)]
    blank = [_key("", color="none")] * abs(len(keys) - len(shapes))  # a legend is filled column by column
    _below(axes, keys + blank + shapes if len(keys) < len(shapes) else keys + shapes + blank, 2)


def settings_legend(axes: Axes, colours: Mapping[str, str], settings: Sequence[str]) -> None:
    """Draw the keys of what has a colour of its own, and of the settings by shape."""
    keys = [_key(name, color=colour, marker="o") for name, colour in colours.items()]
    shapes = [_key(name, color=MUTED, marker=marker(settings, name)) for name in settings]
    _below(axes, [*keys, *shapes], 2)


def _key(name: str, **look: Any) -> Line2D:  # noqa: ANN401 - what matplotlib takes for a line
    from matplotlib.lines import Line2D

    looks: dict[str, Any] = {"linestyle": "", "markersize": 7} | look
    return Line2D([], [], label=short(name) or " ", **looks)


def _below(axes: Axes, keys: Sequence[Line2D], columns: int) -> None:
    """Draw keys outside of the axes and inside of the figure, which makes room for them."""
    axes.figure.legend(handles=keys, loc="outside lower center", ncols=columns, columnspacing=1.6)


def logarithmic(axes: Axes, which: Literal["x", "y"], low: float, high: float, *, room: float = 200.0) -> None:
    """A logarithmic axis from `low` to `high`, with ticks that can be read.

    They stand at 1, 2 and 5 times powers of ten while `high / low` is below `room`, and at powers of ten beyond.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < room else (1.0,), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.10g}"))


def _for_page(svg: str, name: str) -> str:
    """SVG without prologue, namespaces and style sheet; colours as variables, ids with a prefix, the page's fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg.strip()


@contextmanager
def _private_configuration() -> Iterator[None]:
    """Keep matplotlib from writing its font cache into the home folder, unless its folder was chosen by the user."""
    if "MPLCONFIGDIR" in os.environ or "matplotlib" in sys.modules:
        yield
        return
    with scratch_folder() as folder:
        os.environ["MPLCONFIGDIR"] = str(folder)
        try:
            import matplotlib.font_manager  # noqa: F401  # builds the cache while the folder is there

            yield
        finally:
            del os.environ["MPLCONFIGDIR"]
