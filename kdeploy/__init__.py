"""kdeploy distils a shallow student from a deep teacher, proves it, and hands over a bundle that checks itself.

    import kdeploy
    job = kdeploy.run("recipes/mnist-5k.yaml")
    print(kdeploy.summary(job).student.test_accuracy)
    kdeploy.load_run("mnist-5k").student.logits("test")

The names below are those of `kdeploy.api`. They are loaded on first use, so that `import kdeploy` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # that of `typing`, which `python -m kdeploy` would import while the working folder is on the path
)
if TYPE_CHECKING:  # type checkers and editors see the functions themselves
    from kdeploy.api import (
        FinishedRun,
        Job,
        Options,
        bench,
        bench_models,
        bundle,
        clean,
        compare,
        copy_folder,
        copy_report,
        distill,
        doctor,
        export,
        export_model,
        export_pytest_benchmark,
        init,
        label,
        load_run,
        plan,
        recipe_schema,
        recipe_text,
        recipes,
        recompute,
        report,
        report_bench,
        report_runs,
        report_sweep,
        require_claims,
        require_gate,
        require_installed,
        require_parity,
        run,
        show,
        show_model,
        show_sweep,
        summary,
        sweep,
        verify,
        verify_bundle,
        verify_models,
    )

__version__ = "0.1.0"
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


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'kdeploy' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("kdeploy.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
