from __future__ import annotations

import os
import threading
from pathlib import Path

from kdeploy.pipeline.store import Store
from kdeploy.records.report import ReportFile, ReportRecord
from kdeploy.system.files import hash_file
from kdeploy.verbs.drawn import drawn
from kdeploy.verbs.prepare import Options
from tests.pipeline.test_advance import Said

KEY = "0123456789abcdef"


def _page(folder: Path) -> ReportRecord:
    """A report whose four files hold their names."""
    for name in ("page", "data", "markdown", "table"):
        (folder / name).write_text(name)
    files = {
        path.name: ReportFile(file=path.name, sha256=hash_file(path), bytes=path.stat().st_size)
        for path in folder.iterdir()
    }
    return ReportRecord(**files)


def test_who_else_draws_the_same_page_is_waited_for_and_it_is_drawn_once(tmp_path):
    said, drawings = Said(), []

    def draw(folder: Path) -> ReportRecord:
        drawings.append(folder)
        return _page(folder)

    options = Options(tmp_path / "runs", progress=said)
    found = []
    second = threading.Thread(target=lambda: found.append(drawn(KEY, draw, options)))
    store = Store(tmp_path / "runs")
    with store.work("report", KEY) as work:
        second.start()
        assert said.waits.wait(60)
        store.commit("report", KEY, _page(work))
    second.join(60)
    assert said.lines == [f"report: waiting for pid {os.getpid()}"]
    assert drawings == []
    [(folder, record)] = found
    assert (folder / record.page.file).read_text() == "page"


def test_a_page_that_was_drawn_is_not_drawn_again(tmp_path):
    options = Options(tmp_path / "runs")
    first = drawn(KEY, _page, options)
    assert drawn(KEY, lambda _folder: 1 / 0, options) == first
