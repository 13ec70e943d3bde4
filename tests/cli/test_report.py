"""kdeploy report and the export of a bench, on a benchmark of scripted times."""

from __future__ import annotations

import hashlib
from pathlib import Path

import kdeploy
from kdeploy.verbs.prepare import Options
from tests.conftest import TinyRun
from tests.program import TINY, inside
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
    assert [file["file"] for file in listed] == [str(out / name) for name in FILES]
    for file in listed:
        assert hashlib.sha256((out / file["file"]).read_bytes()).hexdigest() == file["sha256"]


def test_files_that_are_there_are_kept_without_overwrite(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "report.md").write_text("mine")
    words = ("report", folder, "--runs", tmp_path / "runs", "--out", out)
    found = inside(*words)
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr == f"error: --out: must not hold what would be replaced ({out}/report.md). Pass --overwrite.\n"
    assert [path.name for path in out.iterdir()] == ["report.md"]
    assert inside(*words, "--overwrite").code == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


def test_a_link_is_refused_before_anything_is_drawn(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = inside("report", folder, "--runs", tmp_path / "runs", "--out", tmp_path / "link")
    assert (found.code, found.stdout) == (4, "")
    assert not (tmp_path / "runs").exists()


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


def test_several_runs_are_put_on_one_page_and_one_is_named_once(runs: Path) -> None:
    other = inside("run", TINY, "--runs", runs, "--set", "name=other", "--json")
    assert other.document["stages_run"] == ["bundle", "report"], other.stderr
    found = inside("report", "tiny", "other", "--runs", runs)
    assert found.code == 0, found.stderr
    page, _, _, table = (Path(line) for line in found.stdout.splitlines())
    assert "kdeploy report of 2 runs" in page.read_text() and page.parent.parent == runs / "report"
    rows = table.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["run", "tiny", "other"]
    again = inside("report", "tiny", "tiny", "--runs", runs)
    assert (again.code, again.stdout) == (3, "")
    assert again.stderr == "error: report: must be told each run once (tiny, tiny).\n"


def test_pictures_of_samples_are_on_the_page_alone(tiny: TinyRun) -> None:
    (page,) = tiny.runs.glob("report/*/report.html")
    assert page.read_text().count('<img src="data:image/png;base64,') > 0
    others = [path for path in tiny.runs.rglob("*") if path.is_file() and path != page]
    assert [path for path in others if b"data:image" in path.read_bytes()] == []
