"""The verbs as functions: what the command line calls, and what `import kdeploy` offers.

A subject is a recipe file (`recipes/mnist-5k.yaml`) or a RUN: the name of a recipe that ran, or its `runs/<name>.json`.
What every verb takes is in `Options`; None stands for its defaults.

All raise the errors of kdeploy.errors: InputError for what cannot be read, IntegrityError for bytes that are not those
promised, MissingError for a package that is not here, ResourceError for a full disk, and MeasuredError for what was
measured and failed; `exit_code` of each is that of the command line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kdeploy.errors import GateError
from kdeploy.pipeline import order, outcome
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.prepare import RUNS, Options, data_root_of, prepare
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.runs import advance_run
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.verify import VERIFY
from kdeploy.recipe import shipped
from kdeploy.recipe.load import load
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bench_compare import BenchCompareRecord
from kdeploy.records.bundle import BundleRecord, BundleVerdict
from kdeploy.records.count import CountRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.draft import DraftRecord
from kdeploy.records.export import ExportRecord, ModelExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.plan import PlanRecord
from kdeploy.records.recipes import RecipesRecord
from kdeploy.records.report import ReportRecord, Summary
from kdeploy.records.sweep import SweepRecord
from kdeploy.verbs.finished_run import FinishedRun, open_run

if TYPE_CHECKING:
    from kdeploy.verbs.clean import Unnamed
    from kdeploy.verbs.doctor import Finding

__all__ = [
    "FinishedRun",
    "Job",
    "Options",
    "bench",
    "bench_models",
    "bundle",
    "clean",
    "compare",
    "copy_report",
    "distill",
    "doctor",
    "export",
    "export_model",
    "export_pytest_benchmark",
    "init",
    "label",
    "load_run",
    "plan",
    "recipe_schema",
    "recipe_text",
    "recipes",
    "recompute",
    "report",
    "report_bench",
    "require_claims",
    "require_gate",
    "require_installed",
    "require_parity",
    "run",
    "show",
    "show_model",
    "summary",
    "sweep",
    "verify",
    "verify_bundle",
    "verify_models",
]

# -- a recipe and its run


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


def plan(subject: str | Path, options: Options | None = None, *, speed: bool = False) -> PlanRecord:
    """What a run would do: stages, label store, multiply-adds, missing packages. Nothing is written.

    Args:
        subject: a recipe file or a run.
        speed: time an untrained student against the teacher as well; about a minute a runtime.
    """
    from kdeploy.verbs.plan import plan as plan_job

    return plan_job(prepare(subject, options or Options(), planned=True)[0], speed=speed)


def label(subject: str | Path, options: Options | None = None) -> LabelsRecord:
    """Store the teacher's outputs over every view of the transfer set; the teacher is trained or taken in first."""
    return run(subject, options, upto="labels").read(LABELS)


def distill(subject: str | Path, options: Options | None = None) -> DistillRecord:
    """Train the students, and the same nets on labels alone; the record has the verdict and every seed's accuracies.

    Raises: NonFiniteError when a loss or a weight became NaN or infinite.
    """
    return run(subject, options, upto="distill").read(DISTILL)


def export(subject: str | Path, options: Options | None = None) -> ExportRecord:
    """Export teacher and student to ONNX and to the recipe's formats, each proved against the trained net.

    The files are in `load_run(name).folder("export")`. A model made elsewhere: `export_model`.

    Raises: ParityError when a file does not answer as the trained net does.
    """
    return run(subject, options, upto="export").read(EXPORT)


def verify(subject: str | Path, options: Options | None = None) -> VerifyRecord:
    """Parity of a run on all test inputs through every runtime, measured again: a file or a runtime may have changed.

    A bundle: `verify_bundle`; models made elsewhere: `verify_models`.

    Raises: ParityError for the first model and runtime that are not within budget.
    """
    return run(subject, options, upto="verify", force=["verify"]).read(VERIFY)


def bench(subject: str | Path, options: Options | None = None) -> BenchRecord:
    """Time student against teacher as the recipe says; times are integer nanoseconds, a ratio above 1 is a speed-up.

    A run that was timed on this host is not timed again. Models made elsewhere: `bench_models`.
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
    """What a run came to, from its records; nothing is computed. Accuracies are fractions of 1.

    Raises: InputError when its stages up to the export are not done.
    """
    job = prepare(subject, options or Options())[0]
    job.prints = order.fingerprints(job)
    return summary(job)


def summary(job: Job) -> Summary:
    """What a job of `run` came to, as `kdeploy run --json` prints it; `stages_run` are those that were done now."""
    return outcome.summary(job, bundle=BUNDLE)


def sweep(subject: str | Path, options: Options | None = None, *, only: Collection[str] = ()) -> SweepRecord:
    """Distil every variant of a recipe file, and put them side by side; each is a RUN afterwards.

    Args:
        subject: a recipe file with variants.
        only: the variants to do; all when it is empty.
    Raises: InputError when the recipe has no variants, or not those; all are read and checked before the first is done.
    """
    from kdeploy.verbs.sweep import row, variants_of

    options = options or Options()
    path = shipped.file_of(subject)
    loaded = load(path, options.overrides)
    names = variants_of(loaded, only)
    prepared = [(name, *prepare(path, replace(options, variant=name))) for name in names]
    rows = []
    for name, job, index in prepared:
        options.progress.say(f"variant {name}")
        advance_run(job, index, upto="distill")
        rows.append(row(name, job))
    return SweepRecord(name=loaded.recipe.name, rows=tuple(rows))


def load_run(subject: str | Path | Job, *, runs: Path = RUNS) -> FinishedRun:
    """A run as its files have it: records, folders, and the logits of every net. Nothing is computed to open it.

        run = kdeploy.load_run("mnist-5k")
        run.student.logits("test")      # float32 (test samples, classes); also run.teacher, run.students, run.baselines
        run.targets("test")             # int64 (test samples,)
        run.folder("export") / run.export.student.file

    Args:
        subject: the name of a run, its `runs/<name>.json`, or a job of `run`.
        runs: the folder of all work.
    Raises: InputError when there is no such run, or later for a stage of it that is not done.
    """
    return open_run(subject, Store(runs))


# -- models, bundles and benchmarks that belong to no recipe


def export_model(
    path: str | Path,
    options: Options | None = None,
    *,
    bottleneck: Literal["auto", "fuse", "factored"] = "auto",
    target: str = "onnxruntime",
    out: Path | None = None,
) -> tuple[Path, ModelExportRecord]:
    """Fold the batch norms and fuse the linear pairs of an `.onnx` classifier made elsewhere, proved against it.

    Args:
        path: of the model.
        bottleneck: which form ships; `auto` is the faster one.
        target: the runtime on which `auto` times both forms.
        out: a folder for the model and its record; without one they stay in the folder of all work.
    Returns: the path of the model that ships, and the record; latencies are integer nanoseconds.
    Raises: IntegrityError or ModelError for a file that is not admitted, ParityError when a form is not the model.
    """
    from kdeploy.verbs import export_model as exporting

    options = options or Options()
    folder, record = exporting.export_model(
        Path(path), bottleneck=bottleneck, target=target, store=Store(options.runs), progress=options.progress
    )
    return exporting.shipped(folder, out, Path(path)), record


def show_model(path: str | Path, *, batch: int = 1) -> CountRecord:
    """What one call of an `.onnx` classifier costs, layer by layer, in multiply-adds; nothing is run.

    Args:
        path: of the model.
        batch: samples a call, for a model that does not fix its own.
    Raises: IntegrityError or ModelError for a file that is not admitted, or is no classifier.
    """
    from kdeploy.verbs.external_models import count_model

    return count_model(Path(path), batch)


def verify_models(
    paths: Sequence[str | Path], options: Options | None = None, *, inputs: Path | None = None
) -> VerifyRecord:
    """Compare `.onnx` classifiers through every runtime that is here with their own graphs in float64.

    Args:
        paths: of the models.
        inputs: a folder of images, sounds, `.npy` or `.npz`, on which the models are compared with the first of them as
            well; without one, seeded noise of the right shape.
    Returns: a row for each model and runtime. A row that failed is no error here: see `require_parity`.
    Raises: IntegrityError or ModelError for a file that is not admitted, DataError for a folder without fit inputs.
    """
    from kdeploy.verbs import external_models

    return external_models.verify_models([Path(path) for path in paths], (options or Options()).progress, inputs)


def verify_bundle(path: str | Path) -> BundleVerdict:
    """Check that a bundle, a folder or its zip, is byte for byte and answer for answer what was tested.

    Integrity only, not authenticity. Errors in the verdict are absolute differences of logits.

    Raises: BundleError when it is no bundle, IntegrityError when a file was changed, added or removed, ParityError when
        its model gives other outputs here, MissingError without ONNX Runtime.
    """
    from kdeploy.bundles.verify import verify as verify_files

    return verify_files(Path(path))


def bench_models(
    baseline: str | Path,
    candidate: str | Path,
    options: Options | None = None,
    *,
    runtimes: Sequence[str] | None = None,
    inputs: Path | None = None,
    threads: int = 1,
    batch: int = 1,
    max_seconds: float = 150.0,
    min_effect: float = 0.03,
    null: bool = True,
    seed: int = 0,
    cold_start: bool = False,
    sustained_seconds: float = 0.0,
    energy: bool = False,
    quick: bool = False,
) -> tuple[Path, BenchRecord]:
    """Time two models made elsewhere against each other in fresh process pairs, with an interval.

    Args:
        baseline, candidate: `.onnx` files, folders of bundles, or files of the one runtime that is named.
        options: of which `runs`, `command` and `progress` are used.
        runtimes: names; None for all that are here and take both models.
        inputs: a folder of images, sounds, `.npy` or `.npz`; where each lies in the folder of its class, accuracies are
            compared too. Without one, seeded noise of the right shape.
        threads: of each model.
        batch: samples a call.
        max_seconds: that a comparison may take.
        min_effect: the smallest difference of the ratio from 1 that is worth a claim.
        null: time the baseline against itself too; without that a claim is an indication at most.
        seed: of the order in which the models take turns.
        cold_start: also time the first answers of 10 fresh processes each.
        sustained_seconds: also call each model for so long without a pause; 0 does not.
        energy: also read the energy of the processor, where that is shown.
        quick: 8 process pairs in place of 12: an indication at most.
    Returns: the folder with `bench.json` and the raw samples, and the record; times are integer nanoseconds, and a
        ratio above 1 says that the candidate is faster.
    Raises: IntegrityError or ModelError for a model that is not admitted, DataError for unfit inputs, MissingError for
        a runtime that is not here.
    """
    from kdeploy.verbs import bench_models as models
    from kdeploy.verbs.bench_settings import model_settings

    options = options or Options()
    settings = model_settings(
        seed=seed,
        min_effect=min_effect,
        null=null,
        max_seconds=max_seconds,
        cold_start=cold_start,
        sustained_seconds=sustained_seconds,
        energy=energy,
        quick=quick,
    )
    return models.bench_models(
        Path(baseline),
        Path(candidate),
        names=runtimes,
        folder=inputs,
        sizes=[(threads, batch)],
        settings=settings,
        store=Store(options.runs),
        command=options.command,
        progress=options.progress,
    )


def recompute(folder: str | Path) -> BenchRecord:
    """The record of a folder with a benchmark, computed again from its raw samples.

    Raises: InputError when a file is not there, IntegrityError when one was edited.
    """
    from kdeploy.timing.recompute import recompute as recompute_folder

    return recompute_folder(Path(folder))


def compare(first: str | Path, second: str | Path) -> BenchCompareRecord:
    """Two results of the same models side by side: has anything changed? Each is computed again first.

    Args:
        first, second: folders with a benchmark.
    Returns: a row for each arm: ratio = median latency of the first / that of the second; refused, with the list, where
        the machine, a library, a model or the inputs differ.
    Raises: what `recompute` raises.
    """
    from kdeploy.timing.compare import compare as compare_folders

    return compare_folders(Path(first), Path(second))


def report_bench(folder: str | Path, options: Options | None = None) -> tuple[Path, ReportRecord]:
    """Write the page of a benchmark that belongs to no run, and its companions.

    Args:
        folder: with `bench.json` and the raw samples.
    Returns: the folder with the report, and its record.
    Raises: InputError when there is no benchmark, IntegrityError when it is not what its raw samples give.
    """
    from kdeploy.verbs.report_bench import report_bench as report_folder

    return report_folder(Path(folder), Store((options or Options()).runs))


def copy_report(folder: Path, record: ReportRecord, out: Path) -> None:
    """Copy the files of a report to a folder of yours, each whole or not at all."""
    from kdeploy.reports.write import copy_report as copy_files

    copy_files(folder, record, out)


def export_pytest_benchmark(folder: Path, record: BenchRecord) -> Path:
    """Write a benchmark beside its raw samples as JSON that `pytest-benchmark compare` reads; returns that file."""
    from kdeploy.timing.pytest_benchmark import export as export_json

    return export_json(record, folder)


# -- what must hold


def require_claims(record: BenchRecord | BenchCompareRecord) -> None:
    """Raises: ClaimError naming every comparison whose claim is not supported, and why."""
    from kdeploy.timing.analysis import claims

    if isinstance(record, BenchRecord):
        claims.require_supported(record.comparison)
    else:
        claims.require_claims([(arm.arm, arm.claim) for arm in record.arms])


def require_parity(record: VerifyRecord) -> None:
    """Raises: ParityError for the first row that is not within budget: by how much, and at which node."""
    from kdeploy.parity.compare import raise_if_failed

    raise_if_failed(record.rows)


def require_gate(summary: Summary) -> None:
    """Raises: GateError that says by how much each requirement of the gate was missed, and which keys to change."""
    from kdeploy.evaluation.gate import raise_if_failed

    raise_if_failed(summary.gate)


def require_installed(findings: Sequence[Finding]) -> None:
    """Raises: MissingError naming what `doctor` did not find."""
    from kdeploy.verbs.doctor import lacking

    error = lacking(findings)
    if error is not None:
        raise error


# -- recipes, this machine and its folders


def recipes(folder: Path | None = None) -> RecipesRecord:
    """The recipes that there are to run, each with its data, its teachers and the command that runs it.

    Args:
        folder: where to look for `*.yaml` files; None is those that ship with kdeploy.
    Raises: InputError when the folder has none; RecipeError for a file there that is no valid recipe.
    """
    from kdeploy.verbs.recipes import recipes as listed

    return listed(folder)


def recipe_text(name: str, folder: Path | None = None) -> str:
    """A recipe as it is written, comments included: a start for one of your own.

    Args:
        name: with or without `.yaml`.
        folder: as of `recipes`.
    Raises: InputError when there is no such recipe.
    """
    from kdeploy.verbs.recipes import recipe_text as text

    return text(name, folder)


def recipe_schema() -> str:
    """The JSON Schema of a recipe, for editors, as text."""
    from kdeploy.verbs.recipes import recipe_schema as schema

    return schema()


def init(
    teacher: Path, data: Path, *, name: str | None = None, out: Path, data_root: Path | None = None
) -> DraftRecord:
    """Write a recipe for an ONNX teacher and a place with data; what it assumed stands in comments.

    Args:
        teacher: a classifier as `.onnx`.
        data: an `.npz` file, or a folder of parquet, image or sound files.
        name: of the recipe; None takes the teacher's file name.
        out: the file to write, which must not be there yet.
        data_root: what data paths are relative to; None is the environment variable KDEPLOY_DATA, else ./data.
    Raises: UsageError when `out` is there; InputError, DataError and ModelError when data or teacher cannot be used.
    """
    from kdeploy.verbs.init.draft import draft

    return draft(teacher, data, name=name, out=out, data_root=data_root_of(data_root))


def doctor() -> list[Finding]:
    """What this machine can run: each runtime, the accelerator, the data of the demo, with what to install."""
    from kdeploy.verbs.doctor import examine

    return examine()


def clean(runs: Path = RUNS, *, remove: bool = False) -> list[Unnamed]:
    """The finished work that no run names any more, each with its path and its size in bytes.

    Args:
        runs: the folder of all work.
        remove: remove it as well. Unfinished work stays.
    """
    from kdeploy.verbs import clean as cleaning

    found = cleaning.unnamed(Store(runs))
    if remove:
        cleaning.remove([item.path for item in found])
    return found
