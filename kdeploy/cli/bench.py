"""kdeploy bench: student against teacher, or two models made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kdeploy.cli import options
from kdeploy.cli.bench_options import (
    EXPORT,
    Batch,
    ColdStart,
    Energy,
    Export,
    Inputs,
    MaxTime,
    MinEffect,
    NoNull,
    Quick,
    RequireClaim,
    Runtime,
    Seed,
    Subjects,
    Sustained,
    Threads,
    Versus,
)
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Trust
from kdeploy.pipeline.bench import BENCH

if TYPE_CHECKING:
    from kdeploy.records.bench import BenchRecord
    from kdeploy.system.progress import Progress


def command(
    subjects: Subjects,
    versus: Versus = None,
    runtime: Runtime = None,
    inputs: Inputs = None,
    threads: Threads = 1,
    batch: Batch = 1,
    max_time: MaxTime = 150.0,
    min_effect: MinEffect = 0.03,
    no_null: NoNull = False,
    seed: Seed = 0,
    cold_start: ColdStart = False,
    sustained: Sustained = None,
    energy: Energy = False,
    quick: Quick = False,
    require_claim: RequireClaim = False,
    export: Export = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Time two models in fresh process pairs, with an interval; the first of two is the baseline.

    A run is timed as its recipe says (bench.*), with --quick, --cold-start, --sustained and --energy on top; the other
    options on what is timed, and how, are for models.
    `kdeploy bench recompute FOLDER` computes the bench.json of a folder again from its raw samples, and objects when
    one of them was edited. `kdeploy bench compare FOLDER FOLDER` sets two results of the same models side by side.
    """
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched
    from kdeploy.timing.request import COLD_STARTS

    if subjects[0] == "recompute" and len(subjects) == 2:
        _recompute(Path(subjects[1]), require_claim, as_json)
        return
    if subjects[0] == "compare" and len(subjects) == 3:
        _compare(Path(subjects[1]), Path(subjects[2]), require_claim, as_json)
        return
    if export not in (None, EXPORT):
        raise typer.BadParameter(f"--export must be {EXPORT} (got {export!r})")
    models = _models(subjects, versus)
    how: dict[str, Any] = {
        "seed": seed,
        "min_effect": min_effect,
        "null": not no_null,
        "limit_ns": round(max_time * 1e9),
    }
    how |= {"cold_starts": COLD_STARTS * cold_start, "sustained_ns": _nanoseconds(sustained), "energy": energy}
    with watched() as progress:
        if models:
            folder, record = _foreign(models, inputs, runtime, (threads, batch), how, quick, runs, progress)
        else:
            overrides = [*_overrides(quick, how), *(set_ or [])]
            job = api.run(subjects[0], options.options(runs, data_root, overrides, trust, progress), upto="bench")
            folder, record = job.folder(BENCH), job.read(BENCH)
    exported = _exported(record, folder) if export else None
    _show(record, require_claim, as_json)
    if not as_json:
        if exported:
            output.line(str(exported))
        output.next_command(f"kdeploy report {folder}" if models else f"kdeploy bundle {subjects[0]}")


def _exported(record: BenchRecord, folder: Path) -> Path:
    from kdeploy.timing import pytest_benchmark

    return pytest_benchmark.export(record, folder)


def _overrides(quick: bool, how: dict[str, Any]) -> Iterator[str]:
    """The options that a run takes too, as settings of its recipe."""
    if quick:
        yield from ("bench.replicates=8", "bench.throughput=[]")
    if how["cold_starts"]:
        yield "bench.cold_start=true"
    if how["sustained_ns"]:
        seconds = how["sustained_ns"] / 1e9
        yield f"bench.sustained={seconds:g}"
    if how["energy"]:
        yield "bench.energy=true"


def _nanoseconds(duration: str | None) -> int:
    """Of `90s`, `10m` or `1h`."""
    if duration is None:
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", duration)
    if found is None:
        raise typer.BadParameter("must be a time as 90s, 10m or 1h", param_hint="--sustained")
    return round(float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] * 1e9)


def _recompute(folder: Path, require_claim: bool, as_json: bool) -> None:
    from kdeploy.timing.recompute import recompute

    _show(recompute(folder), require_claim, as_json)


def _compare(first: Path, second: Path, require_claim: bool, as_json: bool) -> None:
    """Raises: ClaimError when a claim is required: two results support none."""
    from kdeploy.cli import output
    from kdeploy.timing.analysis.claims import require_claims
    from kdeploy.timing.compare import compare

    found = compare(first, second)
    if require_claim:
        require_claims([(arm.arm, arm.claim) for arm in found.arms])
    if as_json:
        output.record(found)
        return
    for arm in found.arms:
        output.line(arm.claim.text)


def _show(record: BenchRecord, require_claim: bool, as_json: bool) -> None:
    """Raises: ClaimError when a claim is required, and one is not supported."""
    from kdeploy.cli import compute, output
    from kdeploy.cli.timings import timing_lines
    from kdeploy.reports.summary import bench_rows
    from kdeploy.timing.analysis.claims import require_supported

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
    notes = dict.fromkeys(note for comparison in record.comparison for note in comparison.notes)
    for line in (*notes, *compute.bench_lines(record), *compute.roofline_lines(record), *timing_lines(record)):
        output.line(line)
    if require_claim:
        require_supported(record.comparison)


def _models(subjects: list[str], versus: Path | None) -> tuple[Path, Path] | None:
    """Baseline and candidate, or None for a run."""
    models = [Path(subject) for subject in subjects if _is_model(subject)]
    if not models and len(subjects) == 1 and versus is None:
        return None
    if len(models) != len(subjects) or len(models) + (versus is not None) != 2:
        raise typer.BadParameter("give one run, two models, or one model and --vs")
    return (versus, models[0]) if versus is not None else (models[0], models[1])


def _is_model(subject: str) -> bool:
    """Recipes and runs are .yaml and .json files, or bare names."""
    path = Path(subject)
    if path.suffix == ".onnx":
        return True
    if path.is_dir():
        return (path / "manifest.json").is_file()
    return path.is_file() and path.suffix not in {".yaml", ".yml", ".json"}


def _foreign(
    models: tuple[Path, Path],
    inputs: Path | None,
    runtime: list[str] | None,
    size: tuple[int, int],
    how: dict[str, Any],
    quick: bool,
    runs: Path,
    progress: Progress,
) -> tuple[Path, BenchRecord]:
    from kdeploy.pipeline.store import Store
    from kdeploy.timing.request import Settings
    from kdeploy.verbs import bench_models as versus

    settings = Settings(**how)
    command = options.options(runs, None, None, False, progress).command
    return versus.bench_models(
        *models,
        names=runtime,
        folder=inputs,
        sizes=[size],
        settings=Settings.quick(settings) if quick else settings,
        store=Store(runs),
        command=command,
        progress=progress,
    )
