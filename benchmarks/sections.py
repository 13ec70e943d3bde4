"""benchmarks/RESULTS.md, section by section: each script replaces its own and leaves the others as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

TARGET = Path(__file__).parent / "RESULTS.md"
HEAD = (
    "# Results\n\nWritten by the scripts of this folder from records and measurements; do not edit. Accuracies and "
    "errors are on test\ninputs that decided nothing. Each section says what made it and on which machine.\n"
)


def replace(name: str, lines: Iterable[str]) -> None:
    """Put the section `name` where it was, or at the end."""
    text = TARGET.read_text(encoding="utf-8") if TARGET.exists() else HEAD
    section = "\n".join([_mark("begin", name), *lines, _mark("end", name)]) + "\n"
    pattern = re.compile(f"{re.escape(_mark('begin', name))}.*?{re.escape(_mark('end', name))}\n", re.DOTALL)
    replaced, count = pattern.subn(lambda _: section, text)
    TARGET.write_text(replaced if count else f"{text}\n{section}", encoding="utf-8")
    print(f"wrote {name} into {TARGET.name}")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, figures to the right."""
    return [
        f"| {' | '.join(headings)} |",
        f"|---|{'---:|' * (len(headings) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()) if name != "reference")


def _mark(edge: str, name: str) -> str:
    return f"<!-- {edge} {name} -->"
