"""kdeploy bench: student against teacher, or two models made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Trust

if TYPE_CHECKING:
    from kdeploy.progress import Progress
    from kdeploy.records.bench import BenchRecord

Subjects = Annotated[
    list[str],
    typer.Argument(metavar="RUN|MODEL...", help="A run or recipe, or .onnx files: baseline first.", show_default=False),
]
Versus = Annotated[
    Path | None,
    typer.Option("--vs", metavar="MODEL", help="The baseline, when one model is given.", show_default=False),
]
Runtime = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime", metavar="NAME", help="A runtime; repeatable [default: all that are here].", show_default=False
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=1024, help="Threads of each model.")]
Batch = Annotated[int, typer.Option("--batch", min=1, max=65536, help="Samples a call.")]
MaxTime = Annotated[float, typer.Option("--max-time", min=1, max=86400, help="Seconds a comparison may take.")]
RequireClaim = Annotated[
    bool, typer.Option("--require-claim", help="Exit with 6 unless every comparison supports a claim.")
]
Quick = Annotated[bool, typer.Option("--quick", help="8 process pairs in place of 12: indicative at most.")]


def command(
    subjects: Subjects,
    versus: Versus = None,
    runtime: Runtime = None,
    threads: Threads = 1,
    batch: Batch = 1,
    max_time: MaxTime = 60.0,
    quick: Quick = False,
    require_claim: RequireClaim = False,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Time two models in fresh process pairs, with an interval; the first of two .onnx files is the baseline.

    A run is timed as its recipe says (bench.*); the options on runtimes, threads, batch and time are for .onnx files.
    `kdeploy bench recompute FOLDER` computes the bench.json of a folder again from its raw samples, and objects when
    one of them was edited.
    """
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    if subjects[0] == "recompute" and len(subjects) == 2:
        _recompute(Path(subjects[1]), require_claim, as_json)
        return
    models = _models(subjects, versus)
    with watched() as progress:
        if models:
            record = _foreign(models, runtime, (threads, batch), max_time, quick, runs, progress)
        else:
            record = api.bench(subjects[0], options.options(runs, data_root, set_, trust, progress))
    _show(record, require_claim, as_json)
    if not models and not as_json:
        output.next_command(f"kdeploy bundle {subjects[0]}")


def _recompute(folder: Path, require_claim: bool, as_json: bool) -> None:
    from kdeploy.timing.recompute import recompute

    _show(recompute(folder), require_claim, as_json)


def _show(record: BenchRecord, require_claim: bool, as_json: bool) -> None:
    """Raises: ClaimError when a claim is required, and one is not supported."""
    from kdeploy.cli import counted, output
    from kdeploy.summarising import bench_rows
    from kdeploy.timing.claims import require_supported

    # the one document of --json is the error where there is one
    if as_json:
        if require_claim:
            require_supported(record.comparison)
        output.record(record)
        return
    for row in bench_rows(record):
        output.line(row.claim)
        for reason in row.reasons:
            output.line(f"  {reason}")
    for found in dict.fromkeys(note for comparison in record.comparison for note in comparison.notes):
        output.line(found)
    for line in (*counted.bench_lines(record), *counted.roofline_lines(record)):
        output.line(line)
    if require_claim:
        require_supported(record.comparison)


def _models(subjects: list[str], versus: Path | None) -> tuple[Path, Path] | None:
    """Baseline and candidate, or None for a run."""
    onnx = [Path(subject) for subject in subjects if subject.endswith(".onnx")]
    if not onnx and len(subjects) == 1 and versus is None:
        return None
    if len(onnx) != len(subjects) or len(onnx) + (versus is not None) != 2:
        raise typer.BadParameter("give one run, two .onnx files, or one .onnx file and --vs")
    return (versus, onnx[0]) if versus is not None else (onnx[0], onnx[1])


def _foreign(
    models: tuple[Path, Path],
    runtime: list[str] | None,
    size: tuple[int, int],
    max_time: float,
    quick: bool,
    runs: Path,
    progress: Progress,
) -> BenchRecord:
    from kdeploy import foreign
    from kdeploy.store import Store
    from kdeploy.timing.request import Settings

    settings = Settings.quick() if quick else Settings(limit_ns=round(max_time * 1e9))
    command = options.options(runs, None, None, False, progress).command
    return foreign.bench_models(
        *models,
        names=runtime,
        sizes=[size],
        settings=settings,
        store=Store(runs),
        command=command,
        progress=progress,
    )
