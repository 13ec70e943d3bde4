"""benchmarks/RESULTS.md is made of sections that scripts replace one by one."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.program import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sections", BENCHMARKS / "sections.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TARGET", tmp_path / "RESULTS.md")
    monkeypatch.setitem(sys.modules, "sections", module)
    return module


def test_a_section_is_appended_once_and_replaced_afterwards(sections: ModuleType):
    sections.replace("a", ["one \\1"])
    sections.replace("b", ["two"])
    sections.replace("a", ["three"])
    body = sections.TARGET.read_text().removeprefix(sections.HEAD)
    assert body == "\n<!-- begin a -->\nthree\n<!-- end a -->\n\n<!-- begin b -->\ntwo\n<!-- end b -->\n"


def test_a_table_is_markdown_with_figures_to_the_right(sections: ModuleType):
    assert sections.table(("net", "errors"), [("a", "3")]) == ["| net | errors |", "|---|---:|", "| a | 3 |", ""]


def test_the_results_are_sections_and_each_says_its_command_machine_and_versions():
    text = (BENCHMARKS / "RESULTS.md").read_text()
    names = re.findall(r"<!-- begin (\S+) -->", text)
    assert "deployed-mnist-5k" in names
    assert len(names) == text.count("<!-- begin ")
    assert names == re.findall(r"<!-- end (\S+) -->", text)
    for name in names:
        section = text.partition(f"<!-- begin {name} -->")[2].partition(f"<!-- end {name} -->")[0]
        for word in ("- command: `", "- machine: ", "- versions: "):
            assert word in section, (name, word)
