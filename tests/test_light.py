"""What compares, times and verifies models that are there needs neither torch nor matplotlib.

Quickly: in a Python that refuses the heavy packages, and names who imports them. In truth: in an environment that is
made by README's own words, and weighed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import made
from tests.bundles.conftest import build
from tests.program import REPOSITORY, Outcome, environment, outcome

SHAPE = (1, 8, 8)
MOST_BYTES = 150 << 20
OF_PYTHON = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")
LIST = REPOSITORY / "requirements-light.txt"

# `import torch` fails here, in child processes too, and stands with its importer in the file that KDEPLOY_HEAVY names
REFUSING = """
import os, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ("torch", "matplotlib", "onnxscript", "safetensors", "pyarrow", "jinja2"):
            return None
        frame = sys._getframe(1)
        while frame and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        with open(os.environ["KDEPLOY_HEAVY"], "a") as log:
            log.write(f"{name} is imported by {frame.f_code.co_filename}:{frame.f_lineno}\\n")
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
sys.modules.update(dict.fromkeys(("openvino", "ncnn", "pnnx", "tract")))  # not installed, for all who ask
"""

Run = Callable[..., Outcome]


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Two models that give the same answers, the second in less time."""
    first = made.linear(tmp_path / "a.onnx", SHAPE)
    return [first, Path(shutil.copy(first, tmp_path / "b.onnx"))]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of grey images, larger than what the models read."""
    (folder := tmp_path / "pictures").mkdir()
    draws = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(draws.integers(0, 256, (12, 10), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    (folder := tmp_path / "arrays").mkdir()
    np.save(folder / "x.npy", np.random.default_rng(0).random((5, *SHAPE), np.float32))
    return folder


@pytest.fixture
def refusing(tmp_path: Path) -> Run:
    """`kdeploy WORDS` where heavy packages cannot be imported; who tries, is named by the test that fails."""
    (folder := tmp_path / "refusing").mkdir()
    (folder / "sitecustomize.py").write_text(REFUSING)
    log = tmp_path / "heavy"

    def run(*words: str | Path) -> Outcome:
        log.write_text("")
        found = outcome(
            [sys.executable, "-m", "kdeploy", *words], tmp_path, PYTHONPATH=str(folder), KDEPLOY_HEAVY=str(log)
        )
        # the peaks of the machine are those of every engine that is here, torch among them
        assert [line for line in log.read_text().splitlines() if "peak_worker.py" not in line] == []
        return found

    return run


def every_verb(run: Run, models: list[Path], pictures: Path, arrays: Path, place: Path) -> None:
    """The verbs that README promises, but for those that time something."""
    build(place)
    for words in (
        ["show", models[0]],
        ["verify", *models],
        ["verify", *models, "--inputs", pictures],
        ["verify", *models, "--inputs", arrays],
        ["verify", place / "out" / "bundle"],
    ):
        found = run(*words)
        assert found.code == 0, (words, found.stderr)
        assert found.stdout


def every_timing(run: Run, models: list[Path], pictures: Path, place: Path) -> None:
    """The verbs of README that time something, and what is done with the result."""
    runs = place / "light-runs"
    words = ("--quick", "--max-time", "1", "--runtime", "onnxruntime", "--inputs", pictures, "--runs", runs)
    found = run("bench", *models, *words)
    assert found.code == 0, found.stderr
    [folder] = (runs / "bench").iterdir()
    for again in (["recompute", folder], ["compare", folder, folder]):
        found = run("bench", *again)
        assert found.code == 0, found.stderr


def test_models_are_shown_and_verified_without_torch(refusing, models, pictures, arrays, tmp_path):
    every_verb(refusing, models, pictures, arrays, tmp_path)


@pytest.mark.slow
def test_models_are_timed_without_torch(refusing, models, pictures, tmp_path):
    every_timing(refusing, models, pictures, tmp_path)


def test_who_imports_torch_is_named(refusing, models, tmp_path):
    with pytest.raises(AssertionError, match=r"torch is imported by \S+kdeploy\S+\.py:\d+"):
        refusing("export", models[0], "--runs", tmp_path / "runs")


def test_each_line_of_the_list_is_a_dependency_of_the_project():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = [line for line in LIST.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert set(lines) <= set(declared)
    assert "torch" not in " ".join(lines)


def section() -> list[list[str]]:
    """The blocks of commands in README's section on an environment without torch."""
    text = (REPOSITORY / "README.md").read_text().partition("### Without torch")[2].partition("\n## ")[0]
    return [block.split("\n    ") for block in re.findall(r"(?<=\n\n    )\S.*(?:\n    .*)*", text)]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that README's words make, from the package index; its folder."""
    sources = tmp_path_factory.mktemp("light")
    for file in filter(Path.is_file, REPOSITORY.iterdir()):
        shutil.copy(file, sources)
    for name in ("kdeploy", "recipes"):
        shutil.copytree(REPOSITORY / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    install, slim = section()
    reached = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", sources / "index", "typer"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if reached.returncode:
        pytest.skip("pip reaches no package index")
    for block in (install, slim):
        subprocess.run(["bash", "-ec", "\n".join(block)], cwd=sources, check=True, timeout=900, env=bare())
    return sources / "light"


def bare() -> dict[str, str]:
    """This environment without this checkout: only what was installed is found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in environment().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"PATH": path}


@pytest.fixture
def installed(light: Path, tmp_path: Path) -> Run:
    """`kdeploy WORDS` of the light environment."""

    def run(*words: str | Path) -> Outcome:
        done = subprocess.run(
            [light / "bin" / "kdeploy", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            cwd=tmp_path,
            env=bare(),
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def weight_bytes(folder: Path) -> int:
    """What files take on disk, those of pip and its like left out."""
    own = [path for path in folder.iterdir() if not path.name.startswith(OF_PYTHON)]
    files = [file for path in own for file in (path, *path.rglob("*"))]
    return sum(512 * os.lstat(file).st_blocks for file in files)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_light_environment_is_light(light):
    [packages] = light.glob("lib/python3*/site-packages")
    assert not (packages / "torch").exists()
    assert 50 << 20 < weight_bytes(packages) <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_light_environment_shows_verifies_and_times(installed, models, pictures, arrays, tmp_path):
    every_verb(installed, models, pictures, arrays, tmp_path)
    every_timing(installed, models, pictures, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("words", "package"), [(["export"], "torch"), (["init", "--data", ".", "--teacher"], "torch")])
def test_what_the_light_environment_lacks_is_said(installed, models, tmp_path, words, package):
    found = installed(*words, models[0])
    assert (found.code, found.stdout) == (7, "")
    assert found.stderr == (
        f"error: package '{package}': must be installed for this (this environment has a part of kdeploy's "
        "dependencies only). Install the others with: pip install kdeploy\n"
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_doctor_says_what_the_light_environment_lacks(installed):
    found = installed("doctor")
    assert found.code == 0
    assert re.search(r"device +missing +Install torch", found.stdout)
