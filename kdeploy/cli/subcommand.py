"""The subcommand of `kdeploy bench` and `kdeploy verify` may be left out: what is named chooses it.

    kdeploy bench mnist-5k          -> kdeploy bench run mnist-5k
    kdeploy bench a.onnx b.onnx     -> kdeploy bench models a.onnx b.onnx
    kdeploy verify mnist-5k.zip     -> kdeploy verify bundle mnist-5k.zip

An option of another subcommand is a usage error that says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import typer
from typer.core import TyperGroup

from kdeploy.errors import UsageError

HELP = ("-h", "--help")


class Syntax(NamedTuple):
    """The options of one subcommand, and those of them that take a value."""

    options: frozenset[str]
    with_value: frozenset[str]


def completed(app: typer.Typer, arguments: Sequence[str]) -> list[str]:
    """The command line with its subcommand right behind the verb.

    Raises: UsageError for an option that only another subcommand has, BadParameter for
        subjects that do not go together.
    """
    if len(arguments) < 2 or arguments[0] not in _CHOICES:
        return list(arguments)
    verb, rest = arguments[0], list(arguments[1:])
    syntaxes = _syntaxes(app, verb)
    subjects = list(_subjects(rest, frozenset().union(*(syntax.with_value for syntax in syntaxes.values()))))
    if not subjects and set(rest) & set(HELP):
        return list(arguments)
    if subjects and subjects[0] in syntaxes:
        subcommand = subjects[0]
        rest.remove(subcommand)
    else:
        subcommand = _CHOICES[verb](subjects, rest)
    _must_have(verb, subcommand, rest, syntaxes)
    return [verb, subcommand, *rest]


def _syntaxes(app: typer.Typer, verb: str) -> Mapping[str, Syntax]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    verbs = group.commands[verb]
    assert isinstance(verbs, TyperGroup)
    syntaxes = {}
    for name, command in verbs.commands.items():
        options = [param for param in command.params if param.param_type_name == "option"]
        syntaxes[name] = Syntax(
            frozenset(HELP).union(*(param.opts for param in options)),
            frozenset().union(*(param.opts for param in options if not getattr(param, "is_flag", False))),
        )
    return syntaxes


def _subjects(arguments: Sequence[str], with_value: frozenset[str]) -> Iterator[str]:
    """The arguments that are neither an option nor the value of one."""
    is_value = False
    for number, argument in enumerate(arguments):
        if is_value:
            is_value = False
        elif argument == "--":
            yield from arguments[number + 1 :]
            return
        elif argument.startswith("-"):
            is_value = argument in with_value
        else:
            yield argument


def _must_have(verb: str, subcommand: str, arguments: Sequence[str], syntaxes: Mapping[str, Syntax]) -> None:
    for argument in arguments:
        option = argument.partition("=")[0]
        others = [f"kdeploy {verb} {name}" for name, syntax in syntaxes.items() if option in syntax.options]
        if option.startswith("--") and others and option not in syntaxes[subcommand].options:
            must, advice = f"must be left out of kdeploy {verb} {subcommand}", f"It is for {' and '.join(others)}."
            raise UsageError(option, must, advice=advice)


def _bench(subjects: Sequence[str], arguments: Sequence[str]) -> str:
    """Recipes and runs are .yaml and .json files, or bare names."""
    models = list(map(is_model, subjects))
    two_sides = any(argument.partition("=")[0] == "--vs" for argument in arguments)
    if not any(models) and len(subjects) < 2 and not two_sides:
        return "run"
    if not all(models) or len(models) + two_sides != 2:
        raise typer.BadParameter("give one run, two models, or one model and --vs")
    return "models"


def is_model(subject: str) -> bool:
    """Is it a model's file, or the folder of a bundle?"""
    path = Path(subject)
    if path.suffix == ".onnx":
        return True
    if path.is_dir():
        return (path / "manifest.json").is_file()
    return path.is_file() and path.suffix not in {".yaml", ".yml", ".json"}


def _verify(subjects: Sequence[str], arguments: Sequence[str]) -> str:
    onnx = [subject.endswith(".onnx") for subject in subjects]
    inputs = any(argument.partition("=")[0] == "--inputs" for argument in arguments)
    if len(subjects) == 1 and not inputs and (Path(subjects[0]).is_dir() or Path(subjects[0]).suffix == ".zip"):
        return "bundle"
    if any(onnx) != all(onnx) or (len(subjects) > 1 and not any(onnx)):
        raise typer.BadParameter("give one run, one bundle, or only .onnx files")
    if inputs and not any(onnx):
        raise typer.BadParameter("--inputs goes with .onnx files: a run has its own test inputs")
    return "models" if any(onnx) else "run"


_CHOICES = {"bench": _bench, "verify": _verify}
