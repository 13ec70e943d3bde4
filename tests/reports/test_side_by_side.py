"""Several runs on one page: what is compared, what is said not to compare, and the page itself."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kdeploy.records.report import AGREEMENT, Summary
from kdeploy.records.sweep import ComparedRuns
from kdeploy.reports import side_by_side
from kdeploy.reports.write import run_compared
from tests.chromium import QUIET, dom, needs_chromium, picture
from tests.reports.report_records import bench, comparison, distill, host, net, records, summary, teacher
from tests.reports.test_page import Page

UNTESTED = "Whether one run is better than another was not tested: only each run against its own baseline was."
APART = (
    "Each run was timed by itself: that one student is faster than another is what was seen and no claim, which takes "
    "a benchmark of both."
)


def smaller(**changes: object) -> Summary:
    """A run of less accurate students, of which OpenVINO's times were refused."""
    refused = comparison("openvino", status="refused", reasons=("busy",), text="no claim")
    verdict = distill().verdict.model_copy(update={"difference": None})
    students = distill(students=(net(0, 0.91, 0.92), net(1, 0.93, 0.94)), baselines=(), verdict=verdict)
    found = records(distill=students, bench=bench(comparison=(comparison(low=3.0), refused)), **changes)
    return summary(found, name="small <b>")


def compared(*others: Summary, samples: str = "a") -> ComparedRuns:
    return side_by_side.of_runs([(summary(), "a"), *((other, samples) for other in others)])


def drawn(folder: Path, found: ComparedRuns) -> str:
    run_compared(folder, title="both", compared=found, data=found, rows=found.to_rows())
    return (folder / "report.html").read_text(encoding="utf-8")


def test_runs_on_the_same_data_machine_and_teacher_have_two_caveats():
    assert compared(smaller()).notes == (APART, UNTESTED)


def test_what_does_not_compare_is_said():
    elsewhere = bench(host=host().model_copy(update={"id": "b" * 64}))
    other = summary(records(teacher=teacher(name="other"), bench=elsewhere), name="other")
    assert compared(other, samples="b").notes == (
        "The runs have different sample sets: their accuracies need not be on the same test inputs.",
        "The runs have different teachers: each agreement is with the teacher of its own run.",
        "The runs were timed on different machines: their times do not compare.",
        *(APART, UNTESTED),
    )


def test_a_run_without_labels_is_compared_by_agreement():
    seeds = tuple(net(seed, 0.0, 0.99).model_copy(update={"test_accuracy": None}) for seed in range(2))
    unlabelled = distill(students=seeds, baselines=(), gap=None)
    nothing = records(teacher=teacher(test_accuracy=None), distill=unlabelled, bench=None)
    found = compared(summary(nothing, name="unlabelled", gate=()))
    assert side_by_side.metric(found) == AGREEMENT
    assert side_by_side.best(found).name == "unlabelled"
    assert found.runs[1].accuracies == () and found.runs[1].gate is None


def test_the_quickest_is_the_shortest_median_that_was_not_refused():
    found = compared(smaller())
    run, time = side_by_side.quickest(found) or pytest.fail("nothing was timed")
    assert (run.name, time.runtime, time.student_ns) == ("mnist-5k", "openvino", 187_500)
    untimed = side_by_side.of_runs([(summary(records(bench=None)), "a")])
    assert side_by_side.quickest(untimed) is None


def test_the_table_has_a_row_for_each_setting_with_figures_as_they_are(tmp_path):
    drawn(tmp_path, compared(smaller()))
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert [(row["run"], row["runtime"], row["status"]) for row in rows] == [
        *(("mnist-5k", "onnxruntime", "supported"), ("mnist-5k", "openvino", "supported")),
        *(("small <b>", "onnxruntime", "supported"), ("small <b>", "openvino", "refused")),
    ]
    assert float(rows[0]["student_accuracy"]) == summary().student.test_accuracy
    assert (rows[0]["student_ns"], rows[0]["bytes"], rows[2]["baseline_accuracy"]) == ("241000", "1764300", "")
    assert ComparedRuns.read(tmp_path / "report.json") == compared(smaller())


def test_the_page_has_the_best_the_caveats_a_plot_and_three_tables(tmp_path):
    html = drawn(tmp_path, compared(smaller()))
    page = Page(html)
    assert page.open == [] and "small <b>" in page.text and "b" not in {tag for tag, _ in page.tags}
    assert page.text.index("Highest test accuracy: mnist-5k , 96.73 %.") < page.text.index(UNTESTED)
    assert html.count("<svg") == 1 and "Refused comparisons are left out." in page.text
    assert "1 mnist-5k 96.73 % 96.60 % to 96.85 % 97.05 % 94.43 % BETTER +2.30 98.10 % passed" in page.text
    assert "2 small <b> 92.00 % 91.00 % to 93.00 % 97.05 % \u2013 \u2013 93.00 % failed" in page.text
    assert "2 small <b> openvino batch 1, 1 thread 0.188 ms 1.31 ms \u2013 \u2013 refused" in page.text
    assert (
        "2 small <b> onnxruntime batch 1, 1 thread 0.241 ms 1.63 ms 3.1\u00d7 3.0 to 3.2\u00d7 supported" in page.text
    )


def test_runs_that_were_not_timed_are_drawn_by_their_seeds(tmp_path):
    untimed = side_by_side.of_runs([(summary(records(bench=None)), "a")])
    html = drawn(tmp_path, untimed)
    assert 'id="scores-caption"' in html and 'id="runs-caption"' not in html and "<h2" in html
    assert "Shortest median" not in html and APART not in html


@needs_chromium
def test_it_asks_for_nothing_and_is_drawn_narrow_and_dark(tmp_path):
    drawn(tmp_path, compared(smaller()))
    assert dom(tmp_path / "report.html", tmp_path)[1] == QUIET
    seen = picture(tmp_path / "report.html", tmp_path, width=400, height=900, dark=True)
    assert seen.ground == (20, 22, 24) and seen.inked > 0.3
