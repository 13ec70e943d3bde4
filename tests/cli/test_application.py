"""Every verb has help, as in tests/cli/golden, stands in README, and is a function.

After a wanted change: `COLUMNS=80 kdeploy VERB --help > tests/cli/golden/VERB.txt`, and read the difference; the help
of a subcommand is VERB-SUBCOMMAND.txt.
"""

from __future__ import annotations

import os
import re

import pytest

import kdeploy
from kdeploy import __version__
from kdeploy.cli.application import app
from kdeploy.cli.main import main
from tests.program import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "cli" / "golden"
SUBCOMMANDS = {
    str(group.name): [str(command.name) for command in group.typer_instance.registered_commands]
    for group in app.registered_groups
}
VERBS = [str(info.name) for info in app.registered_commands] + list(SUBCOMMANDS)
COMMANDS = [*VERBS, *(f"{verb} {name}" for verb, names in SUBCOMMANDS.items() for name in names)]
# functions of the API that are not called like their command
FUNCTIONS = {
    "bench": "bench",
    "bench run": "bench",
    "bench models": "bench_models",
    "bench recompute": "recompute",
    "bench compare": "compare",
    "verify": "verify",
    "verify run": "verify",
    "verify bundle": "verify_bundle",
    "verify models": "verify_models",
}
README = (REPOSITORY / "README.md").read_text()


def test_there_are_verbs_and_a_golden_file_for_each():
    assert len(VERBS) >= 13
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(map(file_of, [*COMMANDS, "kdeploy"]))


def file_of(command: str) -> str:
    return command.replace(" ", "-")


@pytest.mark.parametrize("verb", [*COMMANDS, "kdeploy"])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_help_is_as_it_was(verb, columns, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    found = command(*([] if verb == "kdeploy" else verb.split()), "--help")
    assert (found.code, found.stderr) == (0, "")
    assert found.stdout == (GOLDEN / f"{file_of(verb)}.txt").read_text()


def test_threads_wait_without_spinning_unless_the_user_says_otherwise(monkeypatch):
    for given, kept in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        if given:
            monkeypatch.setenv("OMP_WAIT_POLICY", given)
        with pytest.raises(SystemExit):
            main(["--version"])
        assert os.environ["OMP_WAIT_POLICY"] == kept


def test_the_verbs_of_the_readme_are_those_of_the_command_line() -> None:
    assert sorted(set(re.findall(r"^\| `kdeploy (\w+)", README, re.MULTILINE))) == sorted(VERBS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_function_with_a_docstring(name: str) -> None:
    function = FUNCTIONS.get(name, name)
    assert function in kdeploy.__all__
    assert len(getattr(kdeploy, function).__doc__.splitlines()[0]) > 30


@pytest.mark.parametrize("name", kdeploy.__all__)
def test_every_name_of_the_api_stands_in_the_readme(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", README.partition("## From Python")[2].partition("\n## ")[0])


def test_without_a_verb_the_help_is_shown_as_a_usage_error(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = command()
    assert (found.code, found.stdout) == (2, "")
    assert found.stderr == (GOLDEN / "kdeploy.txt").read_text() + "Try: kdeploy --help\n"


def test_the_version_is_printed(command):
    assert command("--version") == (0, f"kdeploy {__version__}\n", "")
