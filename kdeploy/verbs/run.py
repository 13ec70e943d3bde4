"""A recipe and its run: every stage up to one, and what is asked of a run that is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from kdeploy.errors import GateError
from kdeploy.pipeline import order, outcome
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.verify import VERIFY
from kdeploy.recipe import shipped
from kdeploy.recipe.load import load
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.plan import PlanRecord
from kdeploy.records.report import ReportRecord, Summary
from kdeploy.records.sweep import SweepRecord
from kdeploy.verbs.benchmarks import report_bench
from kdeploy.verbs.finished_run import FinishedRun, open_run
from kdeploy.verbs.prepare import RUNS, Options, prepare
from kdeploy.verbs.runs import advance_run


def run(
    subject: str | Path,
    options: Options | None = None,
    *,
    upto: str = "report",
    force: Collection[str] = (),
    check_gate: bool = True,
) -> Job:
    """Do every stage up to one that is not done yet; what was done before is reused.

    Args:
        subject: a recipe file or a run.
        upto: the last stage: samples, teacher, labels, distill, export, verify, bench, bundle or report.
        force: stages to do again.
        check_gate: is a gate that is not met an error? False leaves that to `require_gate`.
    Returns: the job: the names of the stages that ran are `job.ran`, the folder of one is `job.folder(stage)`.
    Raises: GateError when the recipe's gate is not met, after the report was written; RecipeError, DataError and the
        other errors of kdeploy.errors.
    """
    job, index = prepare(subject, options or Options())
    try:
        advance_run(job, index, upto=upto, force=force)
    except GateError:
        if check_gate:
            raise
    return job


def plan(subject: str | Path, options: Options | None = None, *, speed: bool = False, timed: bool = True) -> PlanRecord:
    """What a run would do, and what it takes: time, memory, disk, label store, missing packages. Nothing is kept.

    Args:
        subject: a recipe file or a run.
        speed: time an untrained student against the teacher as well; about a minute a runtime.
        timed: do every stage small, with the recipe's networks and few samples, to say how long it takes.
    """
    from kdeploy.verbs.plan import plan as plan_job

    return plan_job(prepare(subject, options or Options(), planned=True)[0], speed=speed, timed=timed)


def label(subject: str | Path, options: Options | None = None) -> LabelsRecord:
    """Store the teacher's outputs over every view of the transfer set; the teacher is trained or taken in first."""
    return run(subject, options, upto="labels").read(LABELS)


def distill(subject: str | Path, options: Options | None = None) -> DistillRecord:
    """Train the students, and the same networks on labels alone; the record has the verdict and every seed's
    accuracies.

    Raises: NonFiniteError when a loss or a weight became NaN or infinite.
    """
    return run(subject, options, upto="distill").read(DISTILL)


def export(subject: str | Path, options: Options | None = None) -> ExportRecord:
    """Export teacher and student to ONNX and to the recipe's formats, each proved against the trained network.

    The files are in `load_run(name).folder("export")`. An external model: `export_model`.

    Raises: ParityError when a file does not answer as the trained network does.
    """
    return run(subject, options, upto="export").read(EXPORT)


def verify(subject: str | Path, options: Options | None = None) -> VerifyRecord:
    """Parity of a run on all test inputs through every runtime, measured again: a file or a runtime may have changed.

    A bundle: `verify_bundle`; external models: `verify_models`.

    Raises: ParityError for the first model and runtime that are not within budget.
    """
    return run(subject, options, upto="verify", force=["verify"]).read(VERIFY)


def bench(subject: str | Path, options: Options | None = None) -> BenchRecord:
    """Time student against teacher as the recipe says; times are integer nanoseconds, a ratio above 1 is a speed-up.

    A run that was timed on this host is not timed again. External models: `bench_models`.
    """
    return run(subject, options, upto="bench").read(BENCH)


def bundle(subject: str | Path, options: Options | None = None) -> BundleRecord:
    """Write the deployment bundle, a folder and a zip, below `load_run(name).folder("bundle")`.

    Raises: GateError when the recipe's gate is not met: then there is no bundle.
    """
    return run(subject, options, upto="bundle").read(BUNDLE)


def report(subject: str | Path, options: Options | None = None) -> ReportRecord:
    """Write the page of a run and its companions: Markdown, CSV, JSON.

    Args:
        subject: a recipe file or a run; or a folder with a finished benchmark, as `report_bench` takes.
    """
    if (Path(subject) / "bench.json").is_file():
        return report_bench(Path(subject), options)[1]
    return run(subject, options, upto="report").read(REPORT)


def show(subject: str | Path, options: Options | None = None) -> Summary:
    """The results of a run, from its records; nothing is computed. Accuracies are fractions of 1.

    Raises: InputError when its stages up to the export are not done.
    """
    job = prepare(subject, options or Options())[0]
    job.prints = order.fingerprints(job)
    return summary(job)


def summary(job: Job) -> Summary:
    """The results of a job of `run`, as `kdeploy run --json` prints them; `stages_run` are those that were done now."""
    return outcome.summary(job, bundle=BUNDLE)


def sweep(subject: str | Path, options: Options | None = None, *, only: Collection[str] = ()) -> SweepRecord:
    """Distil every variant of a recipe file, and put them side by side; each is a RUN afterwards.

    Args:
        subject: a recipe file with variants.
        only: the variants to do; all when it is empty.
    Two sweeps in one folder share their stages: each waits for what the other works on.
    Raises: InputError when the recipe has no variants, or not those; all are read and checked before the first is done.
    """
    from kdeploy.verbs.sweep import row, variants_of

    options = options or Options()
    path = shipped.file_of(subject)
    loaded = load(path, options.overrides)
    names = variants_of(loaded, only)
    prepared = [(name, *prepare(path, replace(options, variant=name, waits=True))) for name in names]
    rows = []
    for name, job, index in prepared:
        options.progress.say(f"variant {name}")
        advance_run(job, index, upto="distill")
        rows.append(row(name, job))
    return SweepRecord(name=loaded.recipe.name, rows=tuple(rows))


def load_run(subject: str | Path | Job, *, runs: Path = RUNS, trust: bool = False) -> FinishedRun:
    """A run as its files have it: records, folders, and the logits of every network. Nothing is computed to open it.

        run = kdeploy.load_run("mnist-5k")
        run.student.logits("test")      # float32 (test samples, classes); also run.teacher, run.students, run.baselines
        run.targets("test")             # int64 (test samples,)
        run.folder("export") / run.export.student.file

    Args:
        subject: the name of a run, its `runs/<name>.json`, or a job of `run`.
        runs: the folder of all work.
        trust: may the code run that builds a student of family torch, where logits are computed again?
    Raises: InputError when there is no such run, or later for a stage of it that is not done.
    """
    return open_run(subject, Store(runs), trust=trust)
