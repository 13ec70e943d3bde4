"""The verbs as functions: what the command line calls, and what `import kdeploy` offers.

A subject is a recipe file (`recipes/mnist-5k.yaml`) or a RUN: the name of a recipe that ran, or its `runs/<name>.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from kdeploy import pipeline, processes, runtimes
from kdeploy.errors import InputError, MissingError
from kdeploy.pipeline import Job
from kdeploy.pipeline.taught import student_of
from kdeploy.progress import Progress
from kdeploy.recipe.check import check, data_path, teacher_file
from kdeploy.recipe.load import LoadedRecipe, load, parse
from kdeploy.recipe.yaml12 import dotted
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.draft import DraftRecord
from kdeploy.records.export import ExportRecord, ModelExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.plan import PlanRecord
from kdeploy.records.report import ReportRecord, Summary
from kdeploy.records.run import RunRecord
from kdeploy.records.sweep import SweepRecord
from kdeploy.samples import sources
from kdeploy.store import Store, commit_bytes

RUNS = Path("runs")


@dataclass(frozen=True)
class Options:
    """What every verb takes.

    Args:
        runs: the folder of all work.
        data_root: what data paths are relative to; None is the environment variable KDEPLOY_DATA, else ./data.
        overrides: `key=value` settings on top of the recipe's.
        trust: may the recipe's `torch:` run code?
        command: recorded with timings.
        variant: of a recipe file, one of its `variants`.
        require_exact: refuse checkpoints from which a training would not end with the same bits?
    """

    runs: Path = RUNS
    data_root: Path | None = None
    overrides: tuple[str, ...] = ()
    trust: bool = False
    command: tuple[str, ...] = ()
    progress: Progress = field(default_factory=Progress)
    variant: str | None = None
    require_exact: bool = False


_DEFAULT = Options()


def run(subject: str | Path, options: Options = _DEFAULT, *, upto: str = "report", force: Collection[str] = ()) -> Job:
    """Do every stage up to one that is not done yet; what was done before is reused.

    Args:
        upto: the last stage.
        force: stages to do again.
    Returns: the job, with the fingerprints of its stages and the names of those that ran (`job.ran`).
    Raises: InputError and the other errors of kdeploy.errors, of which GateError comes after the report was written.
    """
    job, index = prepare(subject, options)
    advance(job, index, upto=upto, force=force)
    return job


def advance(job: Job, index: RunRecord, *, upto: str = "report", force: Collection[str] = ()) -> None:
    """Do the stages of a prepared job, and keep `runs/<name>.json` up with them."""
    known = pipeline.stages_of(job)
    unknown = sorted(set(force) - set(known))
    if unknown:
        raise InputError("--force", f"must be one of {', '.join(known)}", got=unknown[0])
    if processes.is_first():
        job.store.sweep()
    pipeline.advance(job, upto, force=force, done=lambda done: _write_index(done, index))


def label(subject: str | Path, options: Options = _DEFAULT) -> LabelsRecord:
    """The teacher's logits over the transfer set, in the label store."""
    return run(subject, options, upto="labels").read("labels")  # type: ignore[no-any-return]


def distill(subject: str | Path, options: Options = _DEFAULT) -> DistillRecord:
    """Students, baselines and the verdict."""
    return run(subject, options, upto="distill").read("distill")  # type: ignore[no-any-return]


def export(subject: str | Path, options: Options = _DEFAULT) -> ExportRecord | ModelExportRecord:
    """Teacher and student as ONNX and in the recipe's formats; an `.onnx` file as `export_model` does."""
    if str(subject).endswith(".onnx"):
        return export_model(subject, options)[1]
    return run(subject, options, upto="export").read("export")  # type: ignore[no-any-return]


def export_model(
    path: str | Path,
    options: Options = _DEFAULT,
    *,
    bottleneck: Literal["auto", "fuse", "factored"] = "auto",
    target: str = "onnxruntime",
    out: Path | None = None,
) -> tuple[Path, ModelExportRecord]:
    """An `.onnx` classifier made elsewhere with its linear pairs and batch norms folded; the model's path, the record.

    Args:
        target: the runtime on which `auto` times both forms.
        out: a folder for the model and its record; without one they stay in the folder of all work.
    Raises: what `kdeploy.foreign.export_model` raises.
    """
    from kdeploy import foreign

    made = foreign.export_model(
        Path(path), bottleneck=bottleneck, target=target, store=Store(options.runs), progress=options.progress
    )
    return foreign.shipped(made[0], out, Path(path)), made[1]


def verify(subject: str | Path, options: Options = _DEFAULT) -> VerifyRecord:
    """Parity of a run, measured again: a file or a runtime may have changed since.

    Bundles: kdeploy.bundles.verify; models made elsewhere: kdeploy.foreign.
    """
    return run(subject, options, upto="verify", force=["verify"]).read("verify")  # type: ignore[no-any-return]


def bench(subject: str | Path, options: Options = _DEFAULT) -> BenchRecord:
    """Student against teacher. Models made elsewhere: kdeploy.versus."""
    return run(subject, options, upto="bench").read("bench")  # type: ignore[no-any-return]


def bundle(subject: str | Path, options: Options = _DEFAULT) -> BundleRecord:
    """The deployment bundle."""
    return run(subject, options, upto="bundle").read("bundle")  # type: ignore[no-any-return]


def report(subject: str | Path, options: Options = _DEFAULT) -> ReportRecord:
    """The page and its companions of a run, or of a folder that `kdeploy bench` filled."""
    if is_bench(Path(subject)):
        return report_bench(Path(subject), options)[1]
    return run(subject, options, upto="report").read("report")  # type: ignore[no-any-return]


def is_bench(folder: Path) -> bool:
    """Is it the folder of a finished benchmark?"""
    return (folder / "bench.json").is_file()


def report_bench(folder: Path, options: Options = _DEFAULT) -> tuple[Path, ReportRecord]:
    """The folder with the report of a benchmark, and its record; see `kdeploy.pipeline.report.of_bench`."""
    from kdeploy.pipeline.report import of_bench

    return of_bench(folder, Store(options.runs))


def plan(subject: str | Path, options: Options = _DEFAULT, *, speed: bool = False) -> PlanRecord:
    """What a run would do; nothing is written.

    Args:
        speed: time an untrained student against the teacher as well.
    """
    from kdeploy.planning import plan as plan_job

    return plan_job(prepare(subject, options, planned=True)[0], speed=speed)


def sweep(subject: str | Path, options: Options = _DEFAULT, *, only: Collection[str] = ()) -> SweepRecord:
    """Distil every variant of a recipe file, and put them side by side; each is a RUN afterwards.

    Args:
        only: the variants to do; all when it is empty.
    Raises: InputError when the recipe has no variants, or not those; all are read and checked before the first is done.
    """
    from kdeploy.sweeping import row, variants_of

    loaded = load(Path(subject), options.overrides)
    names = variants_of(loaded, only)
    prepared = [(name, *prepare(subject, replace(options, variant=name))) for name in names]
    rows = []
    for name, job, index in prepared:
        options.progress.say(f"variant {name}")
        advance(job, index, upto="distill")
        rows.append(row(name, job))
    return SweepRecord(name=loaded.recipe.name, rows=tuple(rows))


def show(subject: str | Path, options: Options = _DEFAULT) -> Summary:
    """What a run came to; nothing is computed.

    Raises: InputError when its stages up to the export are not done.
    """
    job = prepare(subject, options)[0]
    job.prints = pipeline.fingerprints(job)
    return summary(job)


def init(
    teacher: Path, data: Path, *, name: str | None = None, out: Path, data_root: Path | None = None
) -> DraftRecord:
    """Write a recipe for an ONNX teacher and a place with data; see `kdeploy.drafting`."""
    from kdeploy.drafting import draft

    return draft(teacher, data, name=name, out=out, data_root=_root(data_root))


def prepare(subject: str | Path, options: Options, *, planned: bool = False) -> tuple[Job, RunRecord]:
    """Read and check a subject; no work is done yet. When it is only planned, it may lack packages."""
    store = Store(options.runs)
    loaded, data_root = _open(subject, store, options)
    advice = {name: _missing(name) for name in runtimes.names()}
    lacking = check(
        loaded, data_root=data_root, trust=options.trust, runtimes=advice, missing=advice.get, planned=planned
    )
    source = _source(loaded, data_root)
    job = Job(
        recipe=loaded.recipe,
        store=store,
        source=source,
        content=sources.content_hash(source),
        teacher_files=tuple(_teacher_files(loaded, data_root, store)),
        missing=lacking,
        command=options.command,
        require_exact=options.require_exact,
        progress=options.progress,
    )
    index = RunRecord(
        name=loaded.recipe.name,
        recipe=loaded.recipe.model_dump(mode="json"),
        recipe_path=loaded.path,
        base=str(loaded.base),
        data_root=str(data_root),
        stages={},
    )
    return job, index


def find_run(name: str, store: Store) -> RunRecord:
    """The index of a run, by name or by file.

    Raises: InputError when there is none.
    """
    path = Path(name) if name.endswith(".json") else store.root / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in store.root.glob("*.json"))) or "none"
        raise InputError(
            name,
            "must be a recipe file, or the name of a run",
            got=f"no such file, and no {path}",
            advice=f"Runs here: {known}.",
        )
    return RunRecord.read(path)


def summary(job: Job) -> Summary:
    """What `kdeploy run --json` prints."""
    return pipeline.summary(job).model_copy(update={"stages_run": tuple(job.ran)})


def _open(subject: str | Path, store: Store, options: Options) -> tuple[LoadedRecipe, Path]:
    path = Path(subject)
    if path.suffix in {".yaml", ".yml"}:
        return load(path, options.overrides, options.variant), _root(options.data_root)
    index = find_run(str(subject), store)
    # a run's settings are a recipe again; JSON is YAML
    text = json.dumps(index.recipe).encode()
    loaded = parse(text, index.recipe_path, options.overrides, base=Path(index.base))
    return loaded, options.data_root or Path(index.data_root)


def _root(asked: Path | None) -> Path:
    return asked or Path(os.environ.get("KDEPLOY_DATA") or "data")


def _missing(name: str) -> str | None:
    try:
        runtimes.find(name)
    except MissingError as exc:
        return exc.advice
    return None


def _teacher_files(loaded: LoadedRecipe, data_root: Path, store: Store) -> Iterator[Path | None]:
    """The file that each teacher comes with, if it does; of those that `count` stands for, none does."""
    for number, teacher in enumerate(loaded.recipe.teacher):
        if teacher.run is not None:
            place = ("teacher", number, "run")
            yield student_of(store, teacher.run, loaded.where(place), dotted(place)).file
        else:
            name = teacher.onnx or teacher.weights
            yield from teacher.count * [None if name is None else teacher_file(loaded, data_root, name)]


def _source(loaded: LoadedRecipe, data_root: Path) -> dict[str, Any]:
    """The settings of every source, with resolved paths: the parts' own stand beside the main one's."""
    found: dict[str, Any] = {}
    for part, origin in loaded.recipe.data.origins().items():
        settings = {origin.key: str(data_path(origin, data_root) or origin.name)} | origin.decoding()
        found |= {part: settings} if part else settings
    return found


def _write_index(job: Job, index: RunRecord) -> None:
    """`runs/<name>.json`, with the stages that are done."""
    done = {name: print_ for name, print_ in job.prints.items() if job.store.has(name, print_)}
    record = index.model_copy(update={"stages": done})
    commit_bytes(job.store.root / f"{index.name}.json", record.to_json().encode())
