"""The next command is what somebody would type: the options that were given, quoted for a shell, and no other."""

from __future__ import annotations

import shlex
from pathlib import Path

from kdeploy.cli.following import following


def test_options_that_were_not_given_are_left_out() -> None:
    assert following("run", "tiny", runs=Path("runs"), set_=None) == "kdeploy run tiny"


def test_what_was_given_comes_back_as_it_was_whatever_a_shell_makes_of_it() -> None:
    settings, places = ["student.hidden=[8, 8]", "a='b'"], (Path("my runs"), Path("$data"))
    line = following("bundle", "it's.yaml", runs=places[0], data_root=places[1], set_=settings, trust=True)
    assert shlex.split(line) == [
        *("kdeploy", "bundle", "it's.yaml", "--set", "student.hidden=[8, 8]", "--set", "a='b'"),
        *("--data-root", "$data", "--runs", "my runs", "--trust"),
    ]
