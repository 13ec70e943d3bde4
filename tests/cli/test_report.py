"""kdeploy report and the export of a bench, on a benchmark of scripted times."""

from __future__ import annotations

import hashlib
from pathlib import Path

import kdeploy
from kdeploy.verbs.prepare import Options
from tests.program import inside
from tests.timing.test_recompute import edited, folder

__all__ = ["folder"]  # the fixture of a finished benchmark
FILES = ["report.html", "report.json", "report.md", "report.csv"]


def test_a_benchmark_has_a_report_of_its_own(folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    found = inside("report", folder, "--runs", runs)
    assert found.code == 0, found.stderr
    paths = [Path(line) for line in found.stdout.splitlines()]
    assert [path.name for path in paths] == FILES
    assert {path.parent.parent for path in paths} == {runs / "report"}
    assert found.stderr == f"next: kdeploy bench recompute {folder}\n"
    assert "student" in paths[0].read_text() and paths[1].read_bytes() == (folder / "bench.json").read_bytes()


def test_its_files_are_copied_where_the_user_wants_them(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    found = inside("report", folder, "--runs", tmp_path / "runs", "--out", out, "--json")
    assert found.code == 0, found.stderr
    listed = [found.document[name] for name in ("page", "data", "markdown", "table")]
    assert [file["file"] for file in listed] == FILES
    for file in listed:
        assert hashlib.sha256((out / file["file"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_report_is_drawn_once_and_again_when_the_benchmark_is_another(folder: Path, tmp_path: Path) -> None:
    options = Options(runs=tmp_path / "runs")
    first, again = kdeploy.report(folder, options), kdeploy.report(folder, options)
    assert first == again
    assert len(list((tmp_path / "runs" / "report").iterdir())) == 1


def test_an_edited_benchmark_has_no_report(folder: Path, tmp_path: Path) -> None:
    edited(folder / "bench.json", "comparison", 1, "claim", "text", to="fast")
    found = inside("report", folder, "--runs", tmp_path / "runs")
    assert (found.code, found.stdout) == (4, "")
    assert (
        "bench.json: must be what raw.jsonl.gz gives (R14: comparison.1.claim.text is 'fast', and not " in found.stderr
    )


def test_an_option_that_means_nothing_to_a_benchmark_is_refused(folder: Path) -> None:
    found = inside("report", folder, "--set", "gate.max_drop=1")
    assert (found.code, found.stderr) == (
        2,
        "error: --set: must be left out for the folder of a benchmark. It is for recipes and runs.\n",
    )
