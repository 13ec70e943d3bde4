"""kdeploy verify and its subcommands."""

from __future__ import annotations

from kdeploy.cli.settings import group_of
from kdeploy.cli.verify import bundle, models, run

group = group_of(
    """Check that models agree on real inputs through every runtime, or that a bundle is what was tested.

    The subcommand may be left out: kdeploy verify mnist-5k looks at a run, kdeploy verify mnist-5k.zip at a bundle, and
    kdeploy verify a.onnx b.onnx at models. Each subcommand has options of its own, which its --help shows.
    """,
    {"run": run.command, "bundle": bundle.command, "models": models.command},
)
