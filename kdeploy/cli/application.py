"""The Typer application: every verb, in the order of the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from typer.core import TyperGroup

from kdeploy import __version__
from kdeploy.cli.bench.group import group as bench
from kdeploy.cli.bundle import command as bundle
from kdeploy.cli.clean import command as clean
from kdeploy.cli.distill import command as distill
from kdeploy.cli.doctor import command as doctor
from kdeploy.cli.export import command as export
from kdeploy.cli.init import command as init
from kdeploy.cli.label import command as label
from kdeploy.cli.plan import command as plan
from kdeploy.cli.recipes import command as recipes
from kdeploy.cli.report import command as report
from kdeploy.cli.run import command as run
from kdeploy.cli.settings import application
from kdeploy.cli.show import command as show
from kdeploy.cli.sweep import command as sweep
from kdeploy.cli.verify.group import group as verify

HELP = "Distil a shallow student from a deep teacher, prove it, measure it, and ship a bundle that checks itself."


class _InOrder(TyperGroup):
    def list_commands(self, ctx: object) -> list[str]:
        return list(_VERBS)  # Typer has those with subcommands last


app = application("kdeploy", HELP, _InOrder)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"kdeploy {__version__}")
        raise typer.Exit


@app.callback()
def kdeploy(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Distil a shallow student from a deep teacher, prove it, measure it, and ship a bundle that checks itself."""


_VERBS: dict[str, Callable[..., None] | typer.Typer] = {
    "run": run,
    "plan": plan,
    "label": label,
    "distill": distill,
    "sweep": sweep,
    "export": export,
    "verify": verify,
    "bench": bench,
    "bundle": bundle,
    "report": report,
    "show": show,
    "recipes": recipes,
    "doctor": doctor,
    "init": init,
    "clean": clean,
}
for _name, _command in _VERBS.items():
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(name=_name)(_command)
