"""The contracts of pyproject.toml on who may import whom, and that they catch a module that breaks one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.program import REPOSITORY, Outcome, outcome

LINT = Path(sys.executable).with_name("lint-imports")


def _lint(folder: Path) -> Outcome:
    return outcome([LINT, "--no-cache", "--config", folder / "pyproject.toml"], folder, PYTHONPATH=str(folder))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package alone, to spoil; it must be found before the real one."""
    shutil.copytree(REPOSITORY / "kdeploy", tmp_path / "kdeploy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept():
    done = _lint(REPOSITORY)
    assert (done.code, "Contracts: 4 kept, 0 broken." in done.stdout) == (0, True), done.stdout


def test_an_import_from_a_layer_above_is_caught(copy):
    with (copy / "kdeploy" / "system" / "files.py").open("a") as stream:
        stream.write("\nfrom kdeploy.pipeline import order\n")
    done = _lint(copy)
    assert done.code == 1
    assert "kdeploy.system is not allowed to import kdeploy.pipeline" in done.stdout


def test_a_module_without_a_layer_is_caught(copy):
    (copy / "kdeploy" / "helpers.py").touch()
    done = _lint(copy)
    assert done.code == 1
    assert "helpers" in done.stdout


@pytest.mark.parametrize("above", ["kdeploy.timing.run.worker_process", "kdeploy.timing.machine.energy"])
def test_an_analysis_of_samples_that_measures_is_caught(copy, above):
    with (copy / "kdeploy" / "timing" / "analysis" / "statistics.py").open("a") as stream:
        stream.write(f"\nimport {above}\n")
    done = _lint(copy)
    assert done.code == 1
    assert f"kdeploy.timing.analysis is not allowed to import {above.rpartition('.')[0]}" in done.stdout


def test_a_stage_that_imports_another_is_caught(copy):
    with (copy / "kdeploy" / "stages" / "labels.py").open("a") as stream:
        stream.write("\nfrom kdeploy.stages import distill\n")
    done = _lint(copy)
    assert done.code == 1
    assert "kdeploy.stages.labels is not allowed to import kdeploy.stages.distill" in done.stdout


@pytest.mark.parametrize("module", ["pipeline.store", "verbs.clean", "system.files"])
def test_a_command_that_reaches_past_the_api_is_caught(copy, module):
    with (copy / "kdeploy" / "cli" / "clean.py").open("a") as stream:
        stream.write(f"\nimport kdeploy.{module}\n")
    done = _lint(copy)
    assert done.code == 1
    assert f"kdeploy.cli.clean -> kdeploy.{module}" in done.stdout
