"""What two runs must have in common, and the beginning of one that shares the work of another."""

from __future__ import annotations

import shutil
from pathlib import Path

from kdeploy.system.files import hash_file
from tests.program import STAGES

RESULTS = (".safetensors", ".onnx", ".npy", ".xml", ".bin")  # records say how long things took as well


def copied(runs: Path, folder: Path, *without: str) -> Path:
    """A copy of the work of a run in a folder, without some of its stages and without its index."""
    content = Path(shutil.copytree(runs, folder / "runs", symlinks=True, ignore=shutil.ignore_patterns(".work")))
    for path in (*content.glob("*.json"), *(content / stage for stage in without)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return content


def content_of(runs: Path) -> dict[str, str]:
    """The digest of each file of finished work, by its path."""
    paths = (path for stage in STAGES for path in sorted((runs / stage).rglob("*")) if path.is_file())
    return {str(path.relative_to(runs)): hash_file(path) for path in paths}


def results(runs: Path) -> dict[str, str]:
    """That of what was computed: labels, weights and models."""
    return {path: digest for path, digest in content_of(runs).items() if path.endswith(RESULTS)}
