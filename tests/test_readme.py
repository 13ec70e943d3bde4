"""README on a package index, where no file of the repository is beside it: every link works there."""

from __future__ import annotations

import re

import pytest

from tests.program import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:md|py|yaml|toml))`")


def _prose(text: str) -> str:
    """The text without blocks of code and code in lines, in which brackets are no links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return re.sub(r"`[^`]*`", "code", text)


def links(text: str) -> list[str]:
    """The targets of every link: inline, by reference, and in HTML."""
    prose = _prose(text)
    return [
        next(filter(None, match.groups()))
        for match in re.finditer(
            r"\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*<?(\S+?)>?$|(?:href|src)=[\"']?([^\"'\s>]+)", prose, re.M
        )
    ]


def anchors(text: str) -> set[str]:
    """What its headings are called as targets of links."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(text: str) -> list[str]:
    """The links that do not work wherever the text is shown."""
    return [
        link
        for link in links(text)
        if not (link.startswith(("https://", "http://", "mailto:")) or (link[0] == "#" and link[1:] in anchors(text)))
    ]


def test_no_link_of_the_readme_needs_a_file_beside_it():
    assert broken(README) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](b.md)", ["b.md"]),
        ("![a](figures/b.svg 'title')", ["figures/b.svg"]),
        ("[a]: ./b.md\n", ["./b.md"]),
        ('<img src="b.png">', ["b.png"]),
        ("[a](#none)\n# One\n", ["#none"]),
        ("[a](#what-its-numbers-mean)\n## What its `numbers` mean\n[b](https://example.org/c)", []),
        ("    [a](b.md)\n```\n[a](b.md)\n```\n`[a](b.md)`\n", []),
    ],
)
def test_a_link_that_needs_one_is_seen(text, found):
    assert broken(text) == found


def test_the_files_that_the_readme_names_are_there():
    named = FILE.findall(README)
    own = {"recipe.yaml", "predict.py", "verify.py", "mine.yaml"}  # written by kdeploy or by its user
    assert "benchmarks/RESULTS.md" in named
    assert [name for name in named if name not in own and not (REPOSITORY / name).is_file()] == []
