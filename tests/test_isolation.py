"""Code in the working folder never runs: every verb is started in a folder full of files that say so when they do.

The names are those of modules that Python, kdeploy, its dependencies and the runtimes import, of kdeploy itself, and of
what Python looks for when it starts. One verb after the other, since later ones look at what earlier ones made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kdeploy.runtimes.environment import passed_on
from kdeploy.system.children import module_command, own_environment
from tests import made
from tests.cli.test_application import COMMANDS
from tests.conftest import TinyRun
from tests.program import PROGRAM, REPOSITORY, outcome, python

_MODULES = """json signal typing numpy torch onnx onnxruntime openvino ncnn pnnx tract re random socket select struct
    hashlib tempfile pathlib subprocess dataclasses pydantic yaml typer click rich jinja2 matplotlib safetensors PIL
    pyarrow mlxtend google sympy networkx resource ctypes array gzip zipfile argparse logging inspect enum copy
    sitecustomize usercustomize kdeploy antigravity"""
HOSTILE = _MODULES.split()
PROGRAMS = ("node", "pnnx", "python", "python3", "g++", "cc")
# to get as far as kdeploy, `python -m` itself imports these, and the package of that name
BEFORE_KDEPLOY = {"sitecustomize", "usercustomize", "kdeploy", "typing", "enum", "re", "copy"}


class Place(NamedTuple):
    """A hostile folder, and the file in which each of its files says that it ran."""

    folder: Path
    marker: Path

    @property
    def marks(self) -> list[str]:
        return self.marker.read_text().splitlines() if self.marker.exists() else []


def hostile(folder: Path, marker: Path, names: list[str] = HOSTILE) -> Place:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        code = f"open({str(marker)!r}, 'a').write({name!r} + '\\n')\n"
        if name in {"torch", "numpy", "kdeploy", "google"} or number % 7 == 6:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(code)
        else:
            (folder / f"{name}.py").write_text(code)
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> '{marker}'\n")
        (folder / name).chmod(0o755)
    package = folder / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "1", "main": "main.js"}')
    (package / "main.js").write_text(f"require('fs').appendFileSync('{marker}', 'node_modules\\n')")
    return Place(folder, marker)


@pytest.fixture(scope="module")
def place(tiny: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("isolation")
    place = hostile(root / "here", root / "marks")
    shutil.copytree(tiny.runs, place.folder / "runs", symlinks=True)
    for name in ("a", "b"):
        made.linear(place.folder / f"{name}.onnx", (1, 8, 8))
    made.images(place.folder / "images.npz")
    return place


QUICK = ("--runtime", "onnxruntime", "--runtime", "openvino", "--quick", "--max-time", "1", "--runs", "runs")
# each command once or more, in the order in which they find what they need
WORDS: dict[str, list[tuple[str, ...]]] = {
    "run": [("run", "tiny", "--runs", "runs", "--force", "bench")],
    "plan": [("plan", "tiny", "--no-time", "--runs", "runs")],
    "label": [("label", "tiny", "--runs", "runs")],
    "distill": [("distill", "tiny", "--runs", "runs")],
    "sweep": [("sweep", "tiny", "--runs", "runs")],
    "export": [("export", "tiny", "--runs", "runs"), ("export", "a.onnx", "--runs", "runs")],
    "verify": [("verify", "tiny", "--runs", "runs")],
    "verify run": [("verify", "run", "tiny", "--runs", "runs")],
    "verify models": [("verify", "models", "a.onnx", "b.onnx")],
    "verify bundle": [("verify", "bundle", "tiny.zip")],
    "bench": [("bench", "tiny", "--runs", "runs")],
    "bench run": [("bench", "run", "tiny", "--runs", "runs")],
    "bench models": [("bench", "models", "a.onnx", "b.onnx", *QUICK)],
    "bench recompute": [("bench", "recompute", "timed")],
    "bench compare": [("bench", "compare", "timed", "timed")],
    "bundle": [("bundle", "tiny", "--runs", "runs")],
    "report": [("report", "tiny", "--runs", "runs")],
    "show": [("show", "tiny", "--runs", "runs"), ("show", "a.onnx")],
    "recipes": [("recipes",)],
    "doctor": [("doctor",)],
    "init": [("init", "--teacher", "a.onnx", "--data", "images.npz", "--out", "mine.yaml", "--no-time")],
    "clean": [("clean", "--runs", "runs")],
}
REFUSED = {"sweep": 3}  # tiny has no variants


def lines() -> Iterator[tuple[str, ...]]:
    return (words for lines in WORDS.values() for words in lines)


def test_every_command_is_started_in_the_folder():
    assert set(WORDS) == set(COMMANDS)


@pytest.mark.slow
def test_no_verb_runs_what_lies_in_the_folder_it_is_started_in(place):
    for words in lines():
        found = outcome([PROGRAM, *words], place.folder, PATH=f":.:{os.environ['PATH']}")
        assert found.code == REFUSED.get(words[0], 0), (words, found.stderr)
        assert place.marks == [], words
        if words[0] == "run":
            [archive] = place.folder.glob("runs/bundle/*/tiny.zip")
            shutil.copy(archive, place.folder / "tiny.zip")
        if words[:2] == ("bench", "models"):
            timed = max(place.folder.glob("runs/bench/*"), key=lambda folder: folder.stat().st_mtime_ns)
            shutil.copytree(timed, place.folder / "timed")


def test_python_m_takes_the_folder_off_its_path_again(tmp_path):
    place = hostile(tmp_path / "here", tmp_path / "marks", [name for name in HOSTILE if name not in BEFORE_KDEPLOY])
    for words in (["--version"], ["doctor"], ["recipes"]):
        found = python("-m", "kdeploy", *words, folder=place.folder)
        assert (found.code, place.marks) == (0, []), (words, found.stderr)


def test_python_m_leaves_the_path_alone_where_the_folder_is_not_on_it(tmp_path):
    program = "import sys; print(sys.path[0]); import runpy; runpy.run_module('kdeploy'); print(sys.path[0])"
    found = python("-P", "-c", program, folder=tmp_path)
    first, second = found.stdout.split()
    assert first == second == str(REPOSITORY)


@pytest.mark.parametrize("paths", ["", ".", ":", "::.", "./", "here", "../here", ":/nowhere:."])
def test_no_child_gets_the_folder_by_an_empty_or_relative_entry(tmp_path, monkeypatch, paths):
    place = hostile(tmp_path / "here", tmp_path / "marks")
    hostile(place.folder / "here", tmp_path / "marks")
    monkeypatch.setenv("PYTHONPATH", paths)
    environment = own_environment()
    command = module_command("kdeploy.timing", "only one word")
    done = subprocess.run(
        command, env=environment, cwd=place.folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert "must be given a request and a folder" in done.stdout
    assert (done.returncode, place.marks) == (2, [])
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import json, numpy'], check=True)"
    command = [sys.executable, "-c", grandchild]
    subprocess.run(command, env=environment, cwd=place.folder, check=True, timeout=60)
    assert place.marks == []


def test_the_program_looks_for_others_outside_of_the_folder(tmp_path):
    place = hostile(tmp_path / "here", tmp_path / "marks")
    program = """
import subprocess, sys
from kdeploy.cli.main import main
try:
    main(["--version"])
except SystemExit:
    subprocess.run(["python3", "-c", ""], check=False)
"""
    path = f":.:{os.environ['PATH']}"
    assert python("-P", "-c", program, folder=place.folder, PATH=path).code == 0
    assert place.marks == []


SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-1",
    "HF_TOKEN": "planted-2",
    "GITHUB_TOKEN": "planted-3",
    "HTTPS_PROXY": "http://user:planted-4@proxy",
    "DATABASE_URL": "postgres://user:planted-5@host",
    "SSH_AUTH_SOCK": "/planted-6",
    "MY_PASSWORD": "planted-7",
    "PYTHONSTARTUP": "/planted-8",
    "NODE_OPTIONS": "--require /planted-9.js",
}


def test_no_secret_reaches_a_child(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for environment in (own_environment(), passed_on()):
        done = subprocess.run(
            [sys.executable, "-c", "import os; print(dict(os.environ))"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "planted" not in done.stdout
        assert "'OMP_NUM_THREADS': '3'" in done.stdout


def test_the_environment_that_a_worker_really_has_holds_no_secret(tmp_path, monkeypatch):
    from kdeploy.timing.run.worker_process import WorkerProcess

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    worker = WorkerProcess("baseline", patience_s=60)
    try:
        while not (content := Path(f"/proc/{worker._process.pid}/environ").read_bytes()):
            time.sleep(0.01)  # until it has become the program
    finally:
        worker.close()
    assert b"PYTHONSAFEPATH=1" in content
    assert b"planted" not in content


def test_the_folder_is_hostile_indeed(tmp_path):
    place = hostile(tmp_path / "here", tmp_path / "marks")
    python("-c", "import json, kdeploy", folder=place.folder, PYTHONPATH=str(place.folder))
    assert place.marks
