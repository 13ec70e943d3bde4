"""The curve of a network: its test quality after each epoch, in a sealed file that a resumed training goes on with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kdeploy.records.seal import again, seal_of, sealed
from kdeploy.runtimes import regular_file
from kdeploy.system.files import commit_bytes


def read(path: Path) -> list[float]:
    """The curve so far. Raises: IntegrityError when it is not as it was written."""
    if not path.exists():
        return []
    content = regular_file.read(path)
    seal_of(content, where=str(path), advice=again("distill"))
    return list(json.loads(content)["test_accuracy"])


def keep(path: Path, scores: Sequence[float]) -> None:
    """Write the curve so far."""
    commit_bytes(path, sealed(json.dumps({"test_accuracy": scores}, indent=1) + "\n"))
