"""No name of before the house was tidied is left, in the code, its docstrings or the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.program import REPOSITORY

# modules that moved, or got a noun for a name
MODULES = (
    "adversarial allocator bisection checkpoints cleaning components drafting foreign inspector labelkinds labelstore "
    "machine onnx_export optimizers planning priors probing processes progress ratios rehearsing schedules store "
    "summarising sweeping tracking verdict versus counting gate"
)
OLD = [
    rf"\bkdeploy\.(?:{'|'.join(MODULES.split())})\b(?!/)",
    r"\bstages[./](?:report|export[./](?:refactored|raw|made_elsewhere))\b",
    r"\bmodels[./](?:adapters|named|guided)\b",
    r"\b(?:losses|samples)[./]choice\b",
    r"\bpipeline[./](?:taught|shipped|prepare|runs|inputs|ensemble)\b",
    r"\btiming[./](?:fresh|extras|floors|bounded|measured|unmeasured|assembly|peaks|probes|wire|processes|artefacts)\b",
    r"\bmade elsewhere\b",
    r"\bof ours\b",
    r"(?i)\brefactor\w*|\bre-factor\w*",
    r"(?i)\brehears\w*",
    r"\bregime\b|\bRegime\b",
    r"\b(?:Asked|Tried|Told|Elsewhere|Taught|Guided|Several|Rehearsal|Shipped)\b(?=[(.:\]|])",
    r"\bprint_\b",
    r"`(?:standardise|colour|unlabelled|labelled)`|\b(?:standardise|colour|unlabelled|labelled):",
    r"\bnets\b(?!\w)(?! Really)",
]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def findings(texts: dict[str, str]) -> Iterator[str]:
    """`file:line: word` of every old name."""
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            for pattern in OLD:
                if match := re.search(pattern, line):
                    yield f"{name}:{number}: {match[0]}"


def _texts(root: Path) -> dict[str, str]:
    files = [
        *(root / "kdeploy").rglob("*.py"),
        *(root / "recipes").glob("*.yaml"),
        *(root / name for name in DOCUMENTS),
    ]
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}


def test_no_old_name_is_left():
    texts = _texts(REPOSITORY)
    assert len(texts) > 300
    assert list(findings(texts)) == []


def test_an_old_name_is_found():
    lines = [
        "from kdeploy.store import Store",
        "# a net made elsewhere",
        "x = Regime()",
        "print_ = 1",
        "kdeploy.parity/1",
    ]
    found = list(findings({"a.py": "\n".join(lines)}))
    assert found == ["a.py:1: kdeploy.store", "a.py:2: made elsewhere", "a.py:3: Regime", "a.py:4: print_"]
