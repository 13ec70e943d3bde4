"""kdeploy bench and its subcommands."""

from __future__ import annotations

from kdeploy.cli.bench import compare, models, recompute, run
from kdeploy.cli.settings import group_of

group = group_of(
    """Time two models in fresh process pairs, with an interval.

    `run` and `models` may be left out: kdeploy bench mnist-5k times the student of a run against its teacher, and
    kdeploy bench a.onnx b.onnx two models, the first of which is the baseline. Each subcommand has options of its own,
    which its --help shows.
    """,
    {"run": run.command, "models": models.command, "recompute": recompute.command, "compare": compare.command},
)
