"""How Typer is set: plain help texts, no completion, errors that kdeploy prints itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer
from typer.core import TyperGroup

CONTEXT = {"help_option_names": ["-h", "--help"]}


def application(name: str | None, help_: str, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """An application without commands; `kind` may say their order."""
    return typer.Typer(
        name=name,
        cls=kind,
        help=help_,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )


def group_of(help_: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """A verb with subcommands, in their order."""
    group = application(None, help_)
    for name, command in commands.items():
        group.command(name=name)(command)
    return group
