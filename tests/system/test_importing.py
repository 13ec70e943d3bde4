"""Packages are imported in a child, whatever they do there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.system.importing import import_errors


def test_a_module_that_prints_fails_or_kills_its_process_is_told_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "talks": "print('hello')\nimport os\nos.write(1, b'hello\\n')",
        "fails": "raise RuntimeError('operator nms does not exist.\\nmore')",
        "leaves": "raise SystemExit(3)",
        "dies": "import os\nos.kill(os.getpid(), 11)",
        "works": "",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert import_errors(list(sources)) == {
        "talks": "",
        "fails": "RuntimeError: operator nms does not exist",
        "leaves": "SystemExit: 3",
        "dies": "it ends the process with signal 11",
        "works": "",
    }
