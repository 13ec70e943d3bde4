"""stdout and stderr that are closed or full: work goes on with the code that it has; an answer that is lost is 8.

Each in a process of its own, since this is about file descriptors.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import PROGRAM, REPOSITORY, TINY, environment, python, start

LOST = (
    "error: stdout: must take what is printed (No space left on device). "
    "Free some space, and run the same command again; finished work is kept.\n"
)
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")


def shell(line: str, **changes: str) -> tuple[int, str, str]:
    """A line of a shell, in which `kdeploy` is the program; its code, and what stdout and stderr of the shell got."""
    program = f'kdeploy() {{ {shlex.quote(str(PROGRAM))} "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", program + line],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
        env=environment(**changes),
    )
    return done.returncode, done.stdout, done.stderr


@needs_full
@pytest.mark.parametrize("words", ["recipes --json", "recipes schema", "--version", "--help"])
def test_an_answer_on_a_full_disk_is_lost(words: str):
    assert shell(f"kdeploy {words} >/dev/full") == (8, "", LOST)


@needs_full
def test_a_table_on_a_full_disk_is_lost():
    assert shell("kdeploy recipes >/dev/full") == (8, "", f"next: kdeploy run tiny\n{LOST}")


@pytest.mark.parametrize("words", ["recipes --json", "--version", "--help"])
def test_nobody_wants_an_answer_where_stdout_is_closed(words: str):
    assert shell(f"kdeploy {words} >&-") == (0, "", "")


def test_a_reader_that_takes_nothing_is_no_error():
    assert shell("kdeploy recipes schema | head -c0; exit ${PIPESTATUS[0]}") == (0, "", "")


@pytest.mark.parametrize("where", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)])
@pytest.mark.parametrize(("words", "code"), [("show nope", 3), ("nope", 2), ("recipes --json", 0)])
def test_the_code_is_the_same_where_stderr_takes_nothing(words: str, code: int, where: str):
    found = shell(f"kdeploy {words} {where}")
    assert (found[0], found[2]) == (code, "")
    assert (found[1] == "") == (code != 0)


@needs_full
def test_the_document_is_whole_where_stderr_is_full():
    code, stdout, _ = shell("kdeploy show nope --json 2>/dev/full")
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (3, 3)


@needs_full
def test_an_error_is_worse_than_a_lost_answer():
    code, _, stderr = shell("kdeploy nope --json >/dev/full")
    assert (code, stderr) == (2, "No such command 'nope'.\nTry: kdeploy --help\n")


def test_without_any_stream_the_code_is_left():
    assert shell("kdeploy nope 0<&- >&- 2>&-") == (2, "", "")


def test_a_file_that_is_opened_does_not_become_a_closed_stdout(tmp_path: Path):
    script = """
import os, sys
from kdeploy.cli import streams
streams.lasting()
with open(sys.argv[1], "wb") as stream:
    os.write(1, b"from a library")
    os.write(2, b"from a library")
print("from us", flush=True)
"""
    path = tmp_path / "weights"
    words = " ".join(map(shlex.quote, [sys.executable, "-c", script, str(path)]))
    assert shell(f"{words} >&- 2>&- <&-") == (0, "", "")
    assert path.read_bytes() == b""


def test_a_run_goes_on_when_the_reader_of_its_lines_leaves(tmp_path: Path):
    process = start("label", TINY, "--runs", tmp_path / "runs", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(240) == 0
    assert json.loads((tmp_path / "runs" / "tiny.json").read_text())["stages"].keys() >= {
        "samples",
        "teacher",
        "labels",
    }


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_encoding_does_not_have_is_printed_in_numbers(encoding: str):
    script = """
from kdeploy.cli import output, streams
streams.lasting()
output.line("\\N{SNOWMAN} and a")
output.document('{"name": "\\N{SNOWMAN}\\N{PILE OF POO}"}')
"""
    found = python("-c", script, PYTHONIOENCODING=encoding)
    assert found == (0, '\\u2603 and a\n{"name": "\\u2603\\ud83d\\udca9"}\n', "")
    assert json.loads(found.stdout.splitlines()[1]) == {"name": "\N{SNOWMAN}\N{PILE OF POO}"}


def test_what_an_encoding_has_is_printed_as_it_is():
    script = 'from kdeploy.cli import output; output.document(\'{"name": "\\N{SNOWMAN}"}\')'
    assert python("-c", script, PYTHONIOENCODING="utf-8") == (0, '{"name": "\N{SNOWMAN}"}\n', "")


def test_the_descriptors_that_are_open_stay_open():
    script = "from kdeploy.cli import streams; import os; streams.lasting(); os.write(1, b'here')"
    assert python("-c", script) == (0, "here", "")
