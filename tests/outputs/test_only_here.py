"""What a model decides is asked of its kind of outputs: who takes the largest of a row himself has a reason."""

from __future__ import annotations

import re
from pathlib import Path

from tests.program import REPOSITORY

LARGEST = re.compile(r"argmax\((?:1|axis=1|dim=1|-1)\b")
ALLOWED = {
    "outputs/classes.py": "the kind itself",
    "evaluation/decisions.py": "which class was taken for which, which only a run on classes asks",
    "losses/decoupled.py": "a loss of classes: the teacher's class where there is no label",
    "models/whitening.py": "the sign of an eigenvector",
    "samples/arrays/labels.py": "labels that are written one-hot",
}


def findings(root: Path) -> set[str]:
    files = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    return {name for name, text in files.items() if LARGEST.search(text)}


def test_nobody_else_decides():
    assert findings(REPOSITORY / "kdeploy") == set(ALLOWED)


def test_a_module_that_decides_is_found(tmp_path: Path):
    (tmp_path / "a.py").write_text("right = logits.argmax(1) == labels\n")
    (tmp_path / "b.py").write_text("worst = int(errors.argmax())\n")
    assert findings(tmp_path) == {"a.py"}
