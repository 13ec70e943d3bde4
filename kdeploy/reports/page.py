"""The HTML page of a report, from records: no script, no network, everything that comes from outside escaped.

Jinja2 with autoescape, in a sandbox, strict about undefined names, templates from this package only. Values are data: a
class name `{{ 7 * 7 }}` prints as it is, and control or bidirectional characters are written out.

A run and a benchmark alone share the sections on what was timed; the run's page has the distillation around them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from kdeploy.formatting import numbers, sentences
from kdeploy.formatting.untrusted import spelled_out
from kdeploy.records.bench import BenchRecord
from kdeploy.records.decisions import Decisions
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.report import BaselineScore, Summary
from kdeploy.records.sweep import ComparedRuns
from kdeploy.records.teacher import TeacherRecord
from kdeploy.reports import (
    bench_headline,
    classes,
    comparisons,
    differing,
    headline,
    layers,
    plots,
    runs_headline,
    side_by_side,
    trainings,
)
from kdeploy.reports.comparisons import TimedPair
from kdeploy.reports.figures.distributions import distributions
from kdeploy.reports.figures.losses import Curves, curves
from kdeploy.reports.figures.roofline import roofline
from kdeploy.reports.figures.runs import runs
from kdeploy.reports.figures.scores import Score, scores
from kdeploy.reports.figures.sustained import sustained
from kdeploy.reports.figures.throughput import throughput
from kdeploy.reports.figures.trade_off import Point, trade_off
from kdeploy.reports.pictures import Pixels

_FILTERS = {
    "ms": numbers.milliseconds,
    "mb": numbers.megabytes,
    "mmac": numbers.mega_multiply_adds,
    "count": numbers.count,
    "percent": numbers.percent,
    "points": numbers.signed_points,
    "points_interval": numbers.points_interval,
    "error_size": numbers.error_size,
    "ratio": numbers.ratio,
    "rate": numbers.rate,
    "metric": sentences.metric,
    "significant": numbers.significant,
    "sentence": sentences.sentence_case,
    "complete": sentences.complete,
    "without_arms": comparisons.grouped,
}


@dataclass(frozen=True)
class PageInputs:
    """All the page of a run is made from.

    Args:
        summary, teacher, distill, export, bench: the records; `bench` is None when nothing was timed.
        raw: the raw samples of the benchmark, for the distributions; None leaves that figure out.
        decisions: of the test part; None where outputs are no classes.
        pixels: gives the pictures of samples; None where they are none.
    """

    summary: Summary
    teacher: TeacherRecord
    distill: DistillRecord
    export: ExportRecord
    bench: BenchRecord | None
    raw: Path | None
    decisions: Decisions | None
    pixels: Pixels | None


def render(inputs: PageInputs) -> str:
    """The page of a run, a pure function of the records."""
    summary, pairs = inputs.summary, comparisons.pairs(inputs.bench)
    return _rendered(
        "run.html.j2",
        _timed(inputs.bench, pairs, inputs.raw, trade_off_points(summary, pairs), summary.metric),
        summary=summary,
        distill=inputs.distill,
        export=inputs.export,
        recipe=json.dumps(summary.recipe, indent=2, ensure_ascii=False),
        sentence=headline.sentence(summary),
        verdict_sentence=headline.verdict_sentence(summary),
        tiles=headline.tiles(summary),
        marks=headline.marks(summary),
        scores=_plot(lambda found: scores(found, summary.metric), score_lines(summary)),
        decisions=inputs.decisions,
        matrices=classes.matrices(inputs.decisions) if inputs.decisions else (),
        class_rows=classes.rows(inputs.decisions) if inputs.decisions else (),
        shown=differing.shown(inputs.decisions, inputs.pixels) if inputs.decisions else (),
        trainings=[(found.caption, _svg(curves(found))) for found in _trainings(inputs)],
    )


def _trainings(inputs: PageInputs) -> list[Curves]:
    found = trainings.losses(inputs.teacher, inputs.distill)
    return [*found, *trainings.qualities(inputs.distill, inputs.summary.metric)]


def render_bench(bench: BenchRecord, raw: Path | None) -> str:
    """The page of a benchmark alone, a pure function of its record and its samples."""
    pairs = comparisons.pairs(bench)
    return _rendered(
        "bench.html.j2",
        _timed(bench, pairs, raw, list(plots.qualities(pairs)), sentences.metric(plots.metric(pairs))),
        sentence=bench_headline.sentence(pairs),
        proof=bench_headline.proof(pairs),
        tiles=bench_headline.tiles(pairs),
    )


def render_runs(title: str, compared: ComparedRuns) -> str:
    """The page of several runs, a pure function of their record."""
    metric = side_by_side.metric(compared)
    return _rendered(
        "runs.html.j2",
        {},
        title=title,
        compared=compared,
        metric=metric,
        quality=side_by_side.quality(compared),
        qualities=lambda run: side_by_side.qualities(run, metric),
        mean=fmean,
        best=side_by_side.best(compared),
        tiles=runs_headline.tiles(compared),
        scatter=_plot(lambda found: runs(found, metric), plots.timed_runs(compared, metric)),
        scores=_plot(lambda found: scores(found, metric), plots.scored_runs(compared, metric)),
    )


def trade_off_points(summary: Summary, pairs: Sequence[TimedPair]) -> list[Point]:
    """Teacher, student and baseline in each setting that was timed and not refused.

    The baseline is the student's network, and as fast. Accuracies are means over seeds, and not of the network that was
    timed.
    """
    points = []
    for pair in (pair for pair in pairs if not pair.refused):
        for part, arm in pair.arms:
            if arm.latency_ns is None:
                continue
            median, score = arm.latency_ns.median, summary.teacher if part == "baseline" else summary.student
            spread = _range(summary.student) if part == "candidate" else None
            points.append(Point(arm.model, part, pair.setting, median.value, median.ci, score.quality, spread))
            if part == "candidate" and summary.baseline:
                networks = summary.baseline
                points.append(
                    Point(
                        "baseline",
                        "control",
                        pair.setting,
                        median.value,
                        None,
                        networks.quality,
                        _range(networks),
                    )
                )
    return points


def score_lines(summary: Summary) -> list[Score]:
    """Teacher, student and baseline with their seeds; the student alone if nothing is labelled."""
    student = [network.quality for network in summary.student.per_seed]
    if summary.teacher.test_accuracy is None:
        return [Score("student", "candidate", student, summary.agreement.interval)]
    lines = [
        Score(summary.teacher.name, "baseline", [summary.teacher.quality]),
        Score("student", "candidate", student),
    ]
    baseline = [network.quality for network in summary.baseline.per_seed] if summary.baseline else []
    return [*lines, Score("baseline", "control", baseline)] if baseline else lines


def _timed(
    bench: BenchRecord | None, pairs: Sequence[TimedPair], raw: Path | None, points: Sequence[Point], metric: str
) -> dict[str, Any]:
    """The values that the sections on a benchmark need."""
    return {
        "bench": bench,
        "pairs": pairs,
        "models": comparisons.models(bench) if bench else (),
        "layers": layers.rows,
        "roofs": comparisons.roofs(bench) if bench else (),
        "missing": lambda field: comparisons.reason(bench, field) if bench else "nothing was timed",
        "trade_off": _plot(lambda found: trade_off(found, metric), points),
        "distributions": _plot(distributions, plots.calls(pairs, raw) if raw else ()),
        "throughput": _plot(throughput, plots.rates(bench, pairs) if bench else ()),
        "roofline": _plot(roofline, plots.reached(pairs)),
        "sustained": _plot(sustained, plots.courses(pairs)),
    }


def _plot(draw: Any, items: Iterable[Any]) -> Markup | None:  # noqa: ANN401 - a plot and what it draws
    """The SVG, or None when there is nothing to draw."""
    read = list(items)
    return _svg(draw(read)) if read else None


def _svg(plot: str) -> Markup:
    return Markup(plot)  # noqa: S704  # our own SVG, its texts escaped


def _range(networks: BaselineScore) -> tuple[float, float]:
    qualities = [network.quality for network in networks.per_seed]
    return min(qualities), max(qualities)


def _rendered(template: str, shared: Mapping[str, Any], **own: object) -> str:
    return _environment().get_template(template).render(**shared, **own).rstrip() + "\n"


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=PackageLoader("kdeploy.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(several=numbers.several, ratio_interval=numbers.ratio_interval)
    return environment


def _finalize(value: object) -> object:
    """Every value on its way out: names from outside lose their invisible characters, whatever the template forgot."""
    return spelled_out(value) if isinstance(value, str) and not isinstance(value, Markup) else value
