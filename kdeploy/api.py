"""The verbs as functions: what the command line calls, and what `import kdeploy` offers.

A subject is a recipe file (`recipes/mnist-5k.yaml`) or a RUN: the name of a recipe that ran, or its `runs/<name>.json`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Literal

from kdeploy.pipeline import order, outcome
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.prepare import Options, data_root_of, prepare
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.runs import advance_run
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.verify import VERIFY
from kdeploy.recipe import shipped
from kdeploy.recipe.load import load
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.draft import DraftRecord
from kdeploy.records.export import ExportRecord, ModelExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.plan import PlanRecord
from kdeploy.records.report import ReportRecord, Summary
from kdeploy.records.sweep import SweepRecord

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
    advance_run(job, index, upto=upto, force=force)
    return job


def label(subject: str | Path, options: Options = _DEFAULT) -> LabelsRecord:
    """The teacher's logits over the transfer set, in the label store."""
    return run(subject, options, upto="labels").read(LABELS)


def distill(subject: str | Path, options: Options = _DEFAULT) -> DistillRecord:
    """Students, baselines and the verdict."""
    return run(subject, options, upto="distill").read(DISTILL)


def export(subject: str | Path, options: Options = _DEFAULT) -> ExportRecord | ModelExportRecord:
    """Teacher and student as ONNX and in the recipe's formats; an `.onnx` file as `export_model` does."""
    if str(subject).endswith(".onnx"):
        return export_model(subject, options)[1]
    return run(subject, options, upto="export").read(EXPORT)


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
    Raises: what `kdeploy.verbs.export_model.export_model` raises.
    """
    from kdeploy.verbs import export_model as verb

    made = verb.export_model(
        Path(path), bottleneck=bottleneck, target=target, store=Store(options.runs), progress=options.progress
    )
    return verb.shipped(made[0], out, Path(path)), made[1]


def verify(subject: str | Path, options: Options = _DEFAULT) -> VerifyRecord:
    """Parity of a run, measured again: a file or a runtime may have changed since.

    Bundles: kdeploy.bundles.verify; models made elsewhere: kdeploy.verbs.external_models.
    """
    return run(subject, options, upto="verify", force=["verify"]).read(VERIFY)


def bench(subject: str | Path, options: Options = _DEFAULT) -> BenchRecord:
    """Student against teacher. Models made elsewhere: kdeploy.verbs.bench_models."""
    return run(subject, options, upto="bench").read(BENCH)


def bundle(subject: str | Path, options: Options = _DEFAULT) -> BundleRecord:
    """The deployment bundle."""
    return run(subject, options, upto="bundle").read(BUNDLE)


def report(subject: str | Path, options: Options = _DEFAULT) -> ReportRecord:
    """The page and its companions of a run, or of a folder that `kdeploy bench` filled."""
    if is_bench(Path(subject)):
        return report_bench(Path(subject), options)[1]
    return run(subject, options, upto="report").read(REPORT)


def is_bench(folder: Path) -> bool:
    """Is it the folder of a finished benchmark?"""
    return (folder / "bench.json").is_file()


def report_bench(folder: Path, options: Options = _DEFAULT) -> tuple[Path, ReportRecord]:
    """The folder with the report of a benchmark, and its record; see `kdeploy.verbs.report_bench`."""
    from kdeploy.verbs.report_bench import report_bench as report_bench_folder

    return report_bench_folder(folder, Store(options.runs))


def plan(subject: str | Path, options: Options = _DEFAULT, *, speed: bool = False) -> PlanRecord:
    """What a run would do; nothing is written.

    Args:
        speed: time an untrained student against the teacher as well.
    """
    from kdeploy.verbs.plan import plan as plan_job

    return plan_job(prepare(subject, options, planned=True)[0], speed=speed)


def sweep(subject: str | Path, options: Options = _DEFAULT, *, only: Collection[str] = ()) -> SweepRecord:
    """Distil every variant of a recipe file, and put them side by side; each is a RUN afterwards.

    Args:
        only: the variants to do; all when it is empty.
    Raises: InputError when the recipe has no variants, or not those; all are read and checked before the first is done.
    """
    from kdeploy.verbs.sweep import row, variants_of

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


def show(subject: str | Path, options: Options = _DEFAULT) -> Summary:
    """What a run came to; nothing is computed.

    Raises: InputError when its stages up to the export are not done.
    """
    job = prepare(subject, options)[0]
    job.prints = order.fingerprints(job)
    return summary(job)


def init(
    teacher: Path, data: Path, *, name: str | None = None, out: Path, data_root: Path | None = None
) -> DraftRecord:
    """Write a recipe for an ONNX teacher and a place with data; see `kdeploy.verbs.init`."""
    from kdeploy.verbs.init.draft import draft

    return draft(teacher, data, name=name, out=out, data_root=data_root_of(data_root))


def summary(job: Job) -> Summary:
    """What `kdeploy run --json` prints."""
    return outcome.summary(job, bundle=BUNDLE)
