"""The headline of a report as Markdown for a README: the claim, the tables, the machine, and the command that made it.

Texts from outside are escaped: what reads as Markdown, HTML or a link stands there as it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from kdeploy.formatting import numbers
from kdeploy.formatting.numbers import several
from kdeploy.formatting.sentences import sentence_case
from kdeploy.formatting.untrusted import spelled_out
from kdeploy.records.bench import BenchRecord
from kdeploy.records.report import BaselineScore, Summary, TeacherScore
from kdeploy.records.sweep import ComparedRun, ComparedRuns
from kdeploy.reports import bench_headline, comparisons, headline, side_by_side
from kdeploy.reports.comparisons import TimedPair

_ACTIVE = {sign: f"\\{sign}" for sign in "\\`*_[]|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
_TABLE = str.maketrans(_ACTIVE)
_BLOCK = re.compile(r"^(?:[#+=-]|\d(?=\d{0,8}[.)](?:\s|$)))")  # what would begin a heading, a rule or a list
_LINK = re.compile(r"(?i)(?<=www)\.|:(?=//)")


def of_run(summary: Summary, bench: BenchRecord | None) -> str:
    """The Markdown of a run."""
    parts = [
        f"**{escaped(headline.sentence(summary))}** {escaped(headline.verdict_sentence(summary))}",
        table(("", summary.metric, "parameters", "multiply-adds", "file"), _models(summary)),
    ]
    return _joined([*parts, *(_timed(bench) if bench else ())])


def of_bench(bench: BenchRecord) -> str:
    """The Markdown of a benchmark alone."""
    return _joined([f"**{escaped(bench_headline.sentence(comparisons.pairs(bench)))}**", *_timed(bench)])


def of_runs(compared: ComparedRuns) -> str:
    """The Markdown of several runs side by side."""
    metric = side_by_side.metric(compared)
    headings = ("", metric, "parameters", "multiply-adds", "file", "verdict")
    notes = "\n".join(f"- {escaped(note)}" for note in compared.notes)
    return _joined([table(headings, (_run(run, metric) for run in compared.runs)), notes])


def _run(run: ComparedRun, metric: str) -> tuple[str, ...]:
    work, size = numbers.mega_multiply_adds(run.multiply_adds), numbers.megabytes(run.bytes)
    quality = numbers.percent(fmean(side_by_side.qualities(run, metric)))
    return run.name, quality, numbers.count(run.parameters), work, size, run.verdict or numbers.DASH


def escaped(text: str) -> str:
    r"""A text from outside on one line, so that it prints as it is.

    >>> escaped("# a|b <i> `x` https://c")
    '&#35; a\\|b &lt;i&gt; \\`x\\` https&#58;//c'
    """
    text = " ".join(spelled_out(text).split())
    text = _BLOCK.sub(_entity, text.translate(_TABLE))
    return _LINK.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with the first column to the left and figures to the right; cells are escaped here."""
    rule = [":--", *["--:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (_cells(headings), rule, *map(_cells, rows)))


def _cells(texts: Sequence[str]) -> list[str]:
    return [escaped(text) for text in texts]


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _models(summary: Summary) -> Iterator[tuple[str, ...]]:
    yield _model("teacher", summary.teacher)
    yield _model(f"student, mean of {several(len(summary.student.per_seed), 'seed')}", summary.student)
    if summary.baseline:
        yield _model("same network on labels alone", summary.baseline)


def _model(name: str, score: TeacherScore | BaselineScore) -> tuple[str, ...]:
    work = numbers.mega_multiply_adds(score.multiply_adds)
    return (
        name,
        numbers.percent(score.quality),
        numbers.count(score.parameters),
        work,
        numbers.megabytes(score.bytes),
    )


def _timed(bench: BenchRecord) -> Iterator[str]:
    pairs = comparisons.pairs(bench)
    headings = ("", "model", "median", "against", "median", "speed-up", "interval", "process pairs", "status")
    yield table(headings, (_comparison(pair) for pair in pairs))
    yield "\n".join(f"- {escaped(sentence_case(pair.row.claim))}." for pair in pairs)
    yield escaped(_machine(bench))
    yield f"    {spelled_out(shlex.join(bench.command))}".replace("\n", " ")


def _comparison(pair: TimedPair) -> tuple[str, ...]:
    row = pair.row
    place = f"{row.runtime}, batch {row.batch}, {several(row.threads, 'thread')}"
    times = numbers.milliseconds(row.student_ns), numbers.milliseconds(row.teacher_ns)
    figures = ("", "") if pair.refused else (numbers.ratio(row.ratio), numbers.ratio_interval(row.low, row.high))
    models = (pair.candidate.model, times[0], pair.baseline.model, times[1])
    return place, *models, *figures, str(row.pairs), row.status.replace("_", " ")


def _machine(bench: BenchRecord) -> str:
    host = bench.host
    versions = ", ".join(f"{name} {version}" for name, version in sorted(bench.software.runtimes.items()))
    where = f"{host.cpu_model or 'unknown CPU'}, {several(host.logical_cpus, 'logical CPU')}"
    system = f"{host.os or 'unknown system'}, kernel {host.kernel or 'unknown'}"
    tools = f"kdeploy {bench.tool.version}, Python {bench.software.python}, {versions}"
    return f"Measured {bench.created} on {where}, {system}; host {host.id[:16]}. {tools}."
