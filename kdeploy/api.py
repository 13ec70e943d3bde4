"""The verbs as functions: what the command line calls, and what `import kdeploy` offers.

A subject is a recipe file (`recipes/mnist-5k.yaml`) or a RUN: the name of a recipe that ran, or its `runs/<name>.json`.
What every verb takes is in `Options`; None stands for its defaults.

All raise the errors of kdeploy.errors: InputError for what cannot be read, IntegrityError for bytes that are not those
promised, MissingError for a package that is not here, ResourceError for a full disk, and MeasuredError for what was
measured and failed; `exit_code` of each is that of the command line.
"""

from __future__ import annotations

from kdeploy.pipeline.job import Job
from kdeploy.verbs.benchmarks import compare, copy_folder, copy_report, export_pytest_benchmark, recompute, report_bench
from kdeploy.verbs.finished_run import FinishedRun
from kdeploy.verbs.models import bench_models, export_model, show_model, verify_bundle, verify_models
from kdeploy.verbs.prepare import Options
from kdeploy.verbs.recipes import recipe_schema, recipe_text, recipes
from kdeploy.verbs.requirements import require_claims, require_gate, require_installed, require_parity
from kdeploy.verbs.run import (
    bench,
    bundle,
    distill,
    export,
    label,
    load_run,
    plan,
    report,
    run,
    show,
    summary,
    sweep,
    verify,
)
from kdeploy.verbs.side_by_side import report_runs, report_sweep
from kdeploy.verbs.sweep import show_sweep
from kdeploy.verbs.workspace import clean, doctor, init

__all__ = [
    "FinishedRun",
    "Job",
    "Options",
    "bench",
    "bench_models",
    "bundle",
    "clean",
    "compare",
    "copy_folder",
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
    "report_runs",
    "report_sweep",
    "require_claims",
    "require_gate",
    "require_installed",
    "require_parity",
    "run",
    "show",
    "show_model",
    "show_sweep",
    "summary",
    "sweep",
    "verify",
    "verify_bundle",
    "verify_models",
]
