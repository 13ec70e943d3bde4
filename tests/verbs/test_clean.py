"""clean shows what no run names, removes it only when asked, and leaves unfinished work alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kdeploy.pipeline.store import Store
from kdeploy.verbs.clean import unnamed
from tests.altered import rewritten
from tests.program import inside


@pytest.fixture
def left(runs: Path) -> Path:
    """A report that no run names any more."""
    [named] = (runs / "report").iterdir()
    return Path(shutil.copytree(named, runs / "report" / "0123456789abcdef"))


def test_what_a_run_names_is_not_shown(runs):
    assert unnamed(Store(runs), ()) == []
    assert inside("clean", "--runs", runs) == (0, "0 folders, 0.0 kB\n", "")


def test_an_unnamed_folder_is_shown_and_kept(runs, left):
    size = sum(path.stat().st_size for path in left.iterdir())
    found = inside("clean", "--runs", runs, "--json")
    assert found.document == {"removed": False, "unnamed": [{"path": str(left), "bytes": size}]}
    assert left.is_dir()
    assert "1 folders" in inside("clean", "--runs", runs).stdout


def test_an_unnamed_folder_is_removed_when_asked(runs, left):
    found = inside("clean", "--runs", runs, "--yes", "--json")
    assert (found.code, found.document["removed"]) == (0, True)
    assert not left.exists()
    assert unnamed(Store(runs), ()) == []


def test_without_its_run_all_finished_work_is_unnamed(runs):
    (runs / "tiny.json").unlink()
    assert {item.path.parent.name for item in unnamed(Store(runs), ())} == {
        *("samples", "teacher", "labels", "distill", "export", "verify", "bench", "bundle", "report")
    }


def test_unfinished_work_stays(runs):
    work = runs / ".work" / "teacher" / "0123456789abcdef"
    work.mkdir(parents=True)
    (work / "record.json").touch()
    assert inside("clean", "--runs", runs, "--yes").code == 0
    assert (work / "record.json").exists()


def test_a_folder_without_runs_has_nothing_to_clean(tmp_path):
    assert inside("clean", "--runs", tmp_path / "none") == (0, "0 folders, 0.0 kB\n", "")


def test_what_a_run_is_about_to_make_stays_although_it_was_killed_before_it_could_name_it(runs):
    rewritten(runs / "tiny.json", lambda run: run.update(stages={}, seals={}, planned=run["stages"]))
    assert inside("clean", "--runs", runs, "--yes").stdout == "0 folders, 0.0 kB\n"
    assert inside("run", "tiny", "--runs", runs, "--json").document["stages_run"] == []


def test_what_a_command_uses_stays(runs, left):
    store = Store(runs)
    with store.using([("report", left.name)]):
        assert inside("clean", "--runs", runs, "--yes").stdout == "0 folders, 0.0 kB\n"
    assert left.is_dir()
    assert inside("clean", "--runs", runs, "--yes").stdout.startswith(f"removed: {left} ")
    assert not left.exists()
