"""The pages as a browser shows them. Somebody looked at both, light and dark, 400 and 1280 pixels wide."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.reports import write
from tests.chromium import QUIET, dom, needs_chromium, picture
from tests.reports.report_records import batched, measured, records, write_raw
from tests.reports.test_page import inputs

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    found = records(bench=measured())
    raw = write_raw(folder / "raw.jsonl.gz", measured())
    write.run(folder, inputs(found, raw=raw))
    return folder / "report.html"


@pytest.fixture(scope="module")
def bench_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    record = batched()
    write.run_bench(folder, bench=record, raw=write_raw(folder / "raw.jsonl.gz", record))
    return folder / "report.html"


@pytest.mark.parametrize(
    ("dark", "width", "ground"), [(False, 1280, (253, 252, 250)), (True, 400, (20, 22, 24))], ids=["light", "dark"]
)
def test_a_run_is_drawn_in_the_colours_the_reader_prefers(run_page, tmp_path, dark, width, ground):
    seen = picture(run_page, tmp_path, width=width, height=3000, dark=dark)
    assert seen.pixels.shape == (3000, width, 3)
    assert seen.ground == ground
    assert seen.inked > 0.3
    assert seen.heard == QUIET


def test_a_benchmark_alone_has_its_claim_and_every_plot_and_asks_for_nothing(bench_page, tmp_path):
    document, heard = dom(bench_page, tmp_path)
    assert "Student is at least 6.5\u00d7 as fast as teacher, and 1.53\u00d7 its size." in document
    assert document.count("<svg") == 5  # accuracy, calls, throughput, roofline, sustained
    assert heard == QUIET


def test_an_error_and_a_request_are_heard(tmp_path):
    """The checks above could not fail otherwise."""
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>console.error('told')</script><img src='https://example.org/x.png'>")
    console, requests = dom(page, tmp_path)[1]
    assert [line.partition("] ")[2].partition(", source")[0] for line in console] == ['"told"']
    assert set(requests) == {"example.org:443"}
