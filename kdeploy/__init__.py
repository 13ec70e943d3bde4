"""kdeploy distils a shallow student from a deep teacher, proves it, and hands over a bundle that checks itself.

    import kdeploy
    job = kdeploy.run("recipes/mnist-5k.yaml")
    print(kdeploy.summary(job).student.test_accuracy)

The names below are loaded on first use, so that `import kdeploy` costs nothing.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"
__all__ = [
    "Options",
    "bench",
    "bundle",
    "distill",
    "export",
    "export_model",
    "init",
    "label",
    "plan",
    "report",
    "run",
    "summary",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'kdeploy' has no attribute {name!r}")
    return getattr(importlib.import_module("kdeploy.api"), name)
