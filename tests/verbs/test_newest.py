"""The links of a run lead to what it has made, to nothing else, and never take the place of what is no link."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.store import Store
from kdeploy.verbs import clean
from kdeploy.verbs.newest import leftover_links, link_newest


def job(runs: Path, *done: str, name: str = "digits", fingerprint: str = "aa") -> Any:
    """A job whose stages of these names are done, in the store too."""
    for stage in done:
        folder = runs / stage / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_text("{}")
    prints = {stage.key: fingerprint for stage in (REPORT, BUNDLE, BENCH)}
    return SimpleNamespace(
        store=Store(runs), recipe=SimpleNamespace(name=name), prints=prints, has=lambda stage: stage.name in done
    )


def links(runs: Path, name: str = "digits") -> dict[str, str]:
    return {path.name: str(path.readlink()) for path in sorted((runs / name).iterdir())}


def test_a_run_has_a_link_to_each_of_report_bundle_and_bench(tmp_path: Path) -> None:
    link_newest(job(tmp_path, "report", "bundle", "bench"))
    assert links(tmp_path) == {"bench": "../bench/aa", "bundle": "../bundle/aa", "report": "../report/aa"}
    assert (tmp_path / "digits" / "report" / "record.json").read_text() == "{}"


def test_the_links_follow_the_newest_run_and_lose_what_it_has_not_made(tmp_path: Path) -> None:
    link_newest(job(tmp_path, "report", "bundle", "bench"))
    link_newest(job(tmp_path, "report", "bench", fingerprint="bb"))
    assert links(tmp_path) == {"bench": "../bench/bb", "report": "../report/bb"}


def test_what_is_no_link_stays(tmp_path: Path) -> None:
    (tmp_path / "digits" / "report").mkdir(parents=True)
    link_newest(job(tmp_path, "report", "bench"))
    assert not (tmp_path / "digits" / "report").is_symlink()
    assert (tmp_path / "digits" / "bench").is_symlink()


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(tmp_path / "elsewhere")
    link_newest(job(tmp_path / "runs", "report"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_run_named_like_a_stage_has_no_links(tmp_path: Path) -> None:
    link_newest(job(tmp_path, "report", name="bench"))
    assert not (tmp_path / "bench").exists()


def test_where_a_disk_knows_no_links_they_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    link_newest(job(tmp_path, "report"))
    assert list((tmp_path / "digits").iterdir()) == []


def test_clean_lists_no_link_and_removes_those_of_a_run_that_is_gone(tmp_path: Path) -> None:
    link_newest(job(tmp_path, "report", "bench"))
    found = clean.clean(Store(tmp_path), remove=False)
    assert [one.path for one in found] == [tmp_path / "bench" / "aa", tmp_path / "report" / "aa"]
    assert len(list(leftover_links(Store(tmp_path)))) == 2
    clean.clean(Store(tmp_path), remove=True)
    assert not (tmp_path / "digits").exists()
