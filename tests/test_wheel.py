"""What is built: a wheel that works in an empty folder, and a source archive that is the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from kdeploy import __version__
from tests.program import PATIENT, REPOSITORY, Outcome

NOT_THE_SOURCE = (".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "build", "dist", "runs", "data")
DIST_INFO = f"kdeploy-{__version__}.dist-info"


class Built(NamedTuple):
    wheel: Path
    source: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, made as `make check` makes them, of a copy: what builds of before left would come into these."""
    folder = tmp_path_factory.mktemp("dist")
    shutil.copytree(REPOSITORY, folder / "source", ignore=shutil.ignore_patterns(*NOT_THE_SOURCE))
    command = [sys.executable, "-m", "build", "--quiet", "--no-isolation", "--outdir", folder, folder / "source"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(*(next(folder.glob(pattern)) for pattern in ("*.whl", "*.tar.gz")))


def _tree(folder: str) -> list[str]:
    """The files of a folder of the repository, without what Python leaves there."""
    files = (path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(str(path.relative_to(REPOSITORY)) for path in files)


def test_the_wheel_has_the_package_and_the_recipes_once_and_nothing_else(built):
    with zipfile.ZipFile(built.wheel) as archive:
        names = sorted(name for name in archive.namelist() if not name.startswith(DIST_INFO))
    recipes = [name.replace("recipes/", "kdeploy/shipped_recipes/") for name in _tree("recipes")]
    assert recipes
    assert names == sorted([*_tree("kdeploy"), *recipes])


def test_the_wheel_has_each_kind_of_data(built):
    with zipfile.ZipFile(built.wheel) as archive:
        data = [Path(name) for name in archive.namelist() if not name.startswith(DIST_INFO) and name[-3:] != ".py"]
    templates = "kdeploy/reports/templates"
    assert {(str(path.parent), path.suffix or path.name) for path in data} == {
        ("kdeploy", ".typed"),
        ("kdeploy/runtimes", ".mjs"),
        ("kdeploy/shipped_recipes", ".yaml"),
        (templates, ".css"),
        (templates, ".j2"),
        (f"{templates}/sections", ".j2"),
    }


def test_the_source_archive_is_the_repository(built):
    with tarfile.open(built.source) as archive:
        names = [member.name.partition("/")[2] for member in archive if member.isfile()]
    assert len(names) == len(set(names))
    folders = [name for folder in (".ci", "benchmarks", "kdeploy", "recipes", "tests") for name in _tree(folder)]
    made = {"PKG-INFO", "setup.cfg"}  # by setuptools, beside its egg-info
    single = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md", "pyproject.toml"}
    single |= {"requirements-light.txt"}
    found = {name for name in names if not name.startswith("kdeploy.egg-info/")}
    assert found == {*folders, *single, "setup.py", *made}


def _run(command: list[str | Path], folder: Path) -> Outcome:
    """A command that knows nothing of this checkout."""
    outside = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "KDEPLOY_DATA"}}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=outside | PATIENT, timeout=280
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, whose dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    done = _run([*pip, built.wheel], folder)
    assert done.code == 0, done.stderr
    # a line of a .pth file adds a folder, but not the .pth files in it: this checkout stays out
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_installed_wheel_lists_its_recipes_in_an_empty_folder(installed, tmp_path):
    shipped = installed.parents[1] / "lib"
    found = _run([installed.with_name("kdeploy"), "recipes", "--json"], tmp_path)
    assert found.code == 0, found.stderr
    listed = {recipe["name"]: recipe for recipe in found.document["recipes"]}
    assert sorted(listed) == sorted(Path(name).stem for name in _tree("recipes"))
    assert listed["mnist-5k"]["command"] == "kdeploy run mnist-5k"
    assert all(Path(recipe["file"]).is_relative_to(shipped) for recipe in listed.values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_installed_wheel_runs_a_recipe_in_an_empty_folder_and_the_second_time_reads_it(installed, tmp_path):
    program = installed.with_name("kdeploy")
    first = _run([program, "run", "tiny", "--json"], tmp_path)
    assert first.code == 0, first.stderr
    assert (tmp_path / first.document["bundle"] / "manifest.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    second = _run([program, "run", "tiny", "--json"], tmp_path)
    assert second.document == {**first.document, "stages_run": []}
