from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kdeploy.cli import summary as terminal
from kdeploy.records.decisions import Decisions, Taken
from kdeploy.records.distill import Agreement, Gap
from kdeploy.records.report import Summary
from kdeploy.records.samples import DuplicatesInfo, Overlap
from kdeploy.reports import comparisons, headline, write
from kdeploy.reports.figures.trade_off import Point, trade_off
from kdeploy.reports.page import PageInputs, trade_off_points
from tests.reports.report_records import (
    bench,
    comparison,
    decisions,
    distill,
    drawing,
    export,
    net,
    records,
    samples,
    summary,
    teacher,
    write_raw,
)

PROGRAM = """
import sys
from pathlib import Path
from tests.reports.test_page import rendered
rendered(Path(sys.argv[1]), raw=Path(sys.argv[2]) if sys.argv[2:] else None)
"""
VOID = {"meta", "br", "path", "use", "img"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def inputs(found=None, *, raw=None, said=None, pixels=drawing, **changes) -> PageInputs:
    found = found or records()
    written = found.teacher, found.distill, found.export, found.bench
    return PageInputs(summary(found, **changes), *written, raw, said or decisions(), pixels)


def rendered(folder: Path, found=None, **changes) -> str:
    write.run(folder, inputs(found, **changes))
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    return rendered(folder, raw=write_raw(folder / "raw.jsonl.gz", bench()))


def test_the_record_names_its_files_with_their_hashes(tmp_path):
    record = write.run(tmp_path, inputs())
    assert [file.file for file in record.files] == [
        *("report.html", "report.json", "report.md", "report.csv", "decisions.json"),
    ]
    for file in record.files:
        content = (tmp_path / file.file).read_bytes()
        assert (file.sha256, file.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert Summary.read(tmp_path / "report.json") == summary()
    assert Decisions.read(tmp_path / "decisions.json") == decisions()


def test_the_same_records_give_the_same_bytes_also_in_another_process(tmp_path, html):
    raw = write_raw(tmp_path / "raw.jsonl.gz", bench())
    assert rendered(tmp_path, raw=raw) == html
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), str(raw)], check=True, cwd=root)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html


def test_matplotlib_writes_nothing_into_the_home_folder(tmp_path):
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    out.mkdir()
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PROGRAM, str(out)], check=True, cwd=root, env=environment)
    assert list(home.rglob("*")) == []


def test_the_page_loads_nothing_and_runs_nothing(html):
    page = Page(html)
    assert page.open == []
    assert "http://" not in html and "https://" not in html and "@import" not in html and "url(http" not in html
    names = {tag for tag, _ in page.tags}
    assert "svg" in names
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "xlink:href", "src"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,"))
    policies = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_ids_are_unique_and_references_lead_somewhere(html):
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    wanted = {name for _, found in page.tags for name in (found.get("aria-labelledby") or "").split()}
    wanted |= {(found.get("xlink:href") or "#").removeprefix("#") for _, found in page.tags} - {""}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert wanted <= set(ids)


def test_the_plots_take_their_colours_from_the_page(html):
    plots = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(plots) == 2
    for plot in plots:
        assert "var(--accent)" in plot and "var(--ink)" in plot
        assert not re.search(r"#[0-9a-f]{6}\b", plot)


def test_the_figures_of_the_records_stand_in_the_page(html):
    text = Page(html).text
    for figure in (
        *("97.05 %", "96.73 %", "94.43 %", "96.60 %", "+2.30 points", "+2.05 to +2.55 points", "+1.45 to +3.15 points"),
        *("1.63 ms", "0.241 ms", "1.31 ms", "6.5 to 7.0\u00d7", "6.7 to 7.2\u00d7", "0.99 to 1.02\u00d7"),
        *("288,170", "25.3 MMAC", "1.07 MMAC", "1.16 MB", "1.76 MB", "above k = 473", "4.3e\u221206", "92.3 MB"),
        *(
            "zero padding makes it inexact at the border of the first convolution",
            "One teacher and one split of the data.",
        ),
        *("energy is not measured yet", "Example CPU @ 2.70GHz", "bundle/0123456789abcdef/mnist-5k.zip"),
    ):
        assert figure in text, figure


def test_the_page_opens_with_the_verdict_its_reason_and_a_plot_and_then_the_price(html):
    text = Page(html).text
    opening = text[text.index("mnist-5k kdeploy report, ") :]
    assert opening.startswith(
        "mnist-5k kdeploy report, teacher deep-cnn verdict: better gate passed faster bundle "
        "Distillation helped: 2.30 points above the same network trained without a teacher. "
        "Both 95 % intervals lie above 0. The student is at least 6.5\u00d7 as fast"
    )
    assert html.index("Both 95 % intervals") < html.index("<svg") < html.index('class="tiles"')


def test_a_gate_that_failed_and_a_run_without_bundle_say_so_above_all_else(tmp_path):
    slow = records(bench=bench(comparison=(comparison(low=2.0),)))
    text = Page(rendered(tmp_path, slow, bundle=None)).text
    assert "verdict: better gate failed faster no bundle Distillation helped" in text
    reason = "The gate failed, so there is no bundle. Lower bound 2x on onnxruntime, batch 1, 1 thread, 3x short "
    assert text.index(reason) < text.index("Requirement")


def test_where_no_times_can_be_shown_a_plot_of_the_seeds_opens_the_page(tmp_path):
    html = rendered(tmp_path, records(bench=None))
    assert re.findall(r'figure aria-labelledby="([a-z-]+)"', html) == ["scores-caption"]
    assert "not timed" in Page(html).text and "Nothing was timed." in Page(html).text


def test_what_was_taken_for_what_stands_in_a_matrix_of_few_classes(html):
    text = Page(html).text
    assert "Student against teacher Teacher says 0 1 2 3 4 5 6 7 8 9 0 199 1 199" in text
    assert "3 199 1 4 199" in text and "9 4 199 Student against the labels" in text


def test_many_classes_stand_in_a_table_the_worst_first(tmp_path):
    names = tuple(f"class {place}" for place in range(21))
    taken = (Taken(given=1, answer=1, count=9), Taken(given=4, answer=4, count=3), Taken(given=4, answer=20, count=2))
    said = decisions(class_names=names, of_teacher=taken, of_labels=(), teacher_of_labels=(), labeled=0)
    text = Page(rendered(tmp_path, said=said)).text
    assert "most often class 4 5 60.00 % class 20 , 2 times class 1 9 100.00 % In the order" in text
    assert "Labelled so" not in text


def test_the_samples_on_which_they_differ_are_pictures_or_their_numbers(tmp_path):
    html = rendered(tmp_path)
    assert re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)">', html) == [
        f"sample {number}" for number in (2801, 17, 4711, 42, 43)
    ]
    assert "sample 2801 student 1 62 % teacher 9 93 % label 7" in Page(html).text
    plain = rendered(tmp_path, pixels=None)
    assert "<img" not in plain and "2801 1 61.70 % 9 93.00 % 7" in Page(plain).text
    same = rendered(tmp_path, said=decisions(differing=0, differences=()))
    assert "Student and teacher say the same of every test input." in Page(same).text


def test_a_fold_that_does_not_apply_is_not_called_refused(html):
    text = Page(html).text
    assert "teacher normalisation refused zero padding" in text
    assert "student batch norm nothing to fold there is none" in text


def test_how_each_network_learned_is_drawn_where_it_was_kept(tmp_path, html):
    assert 'id="training"' not in html
    course = net(0, 0.96, 0.97).training.model_copy(update={"losses": (2.0, 0.5, 0.1)})
    students = tuple(net(seed, 0.96, 0.97).model_copy(update={"training": course}) for seed in range(2))
    followed = students[0].model_copy(update={"curve": (0.5, 0.9)})
    learned = distill(students=(followed, *students[1:]), baselines=students[:1])
    drawn = rendered(tmp_path, records(teacher=teacher(training=course), distill=learned))
    assert re.findall(r'<figcaption id="training-\d-caption">([^<]+)', drawn) == [
        "The teacher&#39;s loss on the labels.",
        "The student&#39;s loss, against what the teacher says.",
        "The baseline&#39;s loss on the labels.",
        "The student&#39;s test accuracy after each epoch, which decided nothing.",
    ]
    assert "logit-mse" in drawn and "cross-entropy" in drawn and "44,800 steps" in drawn


def test_without_labels_the_page_says_nothing_of_them(tmp_path):
    agreement = Agreement(agreed=1990, inputs=1995, interval=(0.9942, 0.9989), level=0.95)
    seeds = (net(2, 0.0, 0.9975).model_copy(update={"test_accuracy": None, "held_out_accuracy": None}),)
    nothing = distill(students=seeds, baselines=(), gap=None, agreement=agreement)
    found = records(teacher=teacher(test_accuracy=None, held_out_accuracy=None), distill=nothing, bench=None)
    unlabelled = [one.model_copy(update={"label": None}) for one in decisions().differences]
    said = decisions(labeled=0, of_labels=(), teacher_of_labels=(), differences=tuple(unlabelled))
    text = Page(rendered(tmp_path, found, said=said, gate=())).text
    assert "Student against teacher" in text and "Student against the labels" not in text
    assert "label 7" not in text and "off the diagonal is where student and teacher differ." in text


def test_the_claim_has_its_lower_bound_and_its_price(html):
    text = Page(html).text
    assert text.index("The student is at least 6.5\u00d7 as fast as its teacher") < text.index("Requirement")
    assert "0.32 points less accurate, and 1.53\u00d7 its size." in text
    assert "Distillation helped: 2.30 points above the same network trained without a teacher." in text


def test_names_from_outside_print_as_they_are_and_invisible_characters_are_written_out(tmp_path):
    evil = "{{7*7}}<script>alert(1)</script>"
    names = (evil, "a\u202eb", "\x1b[31mred", "\u2028", "</details>", '" onclick="x', "{% include 'x' %}", "\u05d0")
    found = records(teacher=teacher(name="t<b>\u202e"), export=export(class_names=names))
    html = rendered(tmp_path, found, name="r&d<i>", recipe={"name": "</pre><script>"})
    page = Page(html)
    assert page.open == [] and "script" not in {tag for tag, _ in page.tags}
    for literal in (
        evil,
        "a\\u202eb",
        "\\u001b[31mred",
        "\\u2028",
        "</details>",
        '" onclick="x',
        "t<b>\\u202e",
        "r&d<i>",
    ):
        assert literal in "".join(page.texts), literal
    assert not {"\u202e", "\x1b", "\u2028"} & set(html)


def test_a_runtime_name_cannot_break_a_plot():
    point = Point("teacher", "baseline", "$x^$<script>&\u202e" + "y" * 200, 1_000_000, None, 0.9, None)
    svg = trade_off([point, Point("student", "candidate", "other", 1_000, None, 0.8, (0.7, 0.9))], "accuracy")
    assert "<script" not in svg and "\u202e" not in svg
    assert "$x^$&lt;script&gt;&amp;\\u202eyy..." in svg


def test_a_refused_comparison_shows_its_reason_where_the_number_would_stand(tmp_path):
    refused = comparison("openvino", status="refused", reasons=("the baseline differs from itself",), text="no claim")
    text = Page(rendered(tmp_path, records(bench=bench(comparison=(comparison(), refused))))).text
    assert "the baseline differs from itself refused" in text
    assert "6.5\u00d7 as fast as its teacher in 1 of 2 settings timed" in text
    assert "failed min_speedup not met" in text
    assert "Refused comparisons are left out." in text
    assert "6.9\u00d7" not in text


def test_the_trade_off_has_teacher_student_and_baseline_of_each_comparison_that_was_not_refused():
    found = records(bench=bench(comparison=(comparison(), comparison("openvino", status="refused"))))
    points = trade_off_points(summary(found), comparisons.pairs(found.bench))
    assert [(point.model, point.setting, point.latency_ns, point.accuracy_range) for point in points] == [
        ("teacher", "onnxruntime", 1_634_000, None),
        ("student", "onnxruntime", 241_000, (0.966, 0.9685)),
        ("baseline", "onnxruntime", 241_000, (0.942, 0.9465)),
    ]


def test_duplicates_of_test_samples_stand_among_the_caveats(tmp_path):
    none = Overlap(count=0, first=())
    some = DuplicatesInfo(transfer=Overlap(count=2, first=(3, 17)), held_out=none, dropped=False)
    text = Page(rendered(tmp_path, replace(records(), samples=samples(duplicates=some)))).text
    assert (
        "Duplicates samples that are in the test part too: 2 of the transfer set, first 3, 17 "
        "(data.duplicates: drop takes them out of it)"
    ) in text
    clean = DuplicatesInfo(transfer=none, held_out=none, dropped=False)
    assert "Duplicates" not in Page(rendered(tmp_path, replace(records(), samples=samples(duplicates=clean)))).text


def test_a_run_that_timed_and_compared_nothing_says_so(tmp_path):
    verdict = distill().verdict.model_copy(update={"difference": None, "seeds_interval": None, "inputs_interval": None})
    alone = distill(baselines=(), students=(net(2, 0.9685, 0.983),), verdict=verdict)
    bare = export(baseline=None, folds=(), forms=())
    found = records(samples=samples(counts={}), distill=alone, export=bare, verify=None, bench=None)
    text = Page(rendered(tmp_path, found, bundle=None, bundle_reason="not asked for")).text
    for sentence in (
        *("The student is not timed, 0.20 points less accurate, and 1.53\u00d7 its size.", "Nothing was timed."),
        *("Nothing was compared.", "there is no baseline to compare with", "not asked for"),
    ):
        assert sentence in text, sentence


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("BETTER", "Distillation helped: 2.30 points above the same network trained without a teacher."),
        ("WORSE", "Distillation did harm: 2.30 points below the same network trained without a teacher."),
        ("NO EVIDENCE", "No evidence that distillation helped: the difference may be chance."),
    ],
)
def test_each_verdict_has_its_sentence(status, sentence):
    verdict = distill().verdict.model_copy(update={"status": status})
    assert headline.verdict_sentence(summary(records(distill=distill(verdict=verdict)))) == sentence


def test_a_difference_of_too_few_seeds_is_not_called_chance():
    verdict = distill().verdict.model_copy(update={"status": "NO EVIDENCE", "seeds_interval": None})
    assert headline.verdict_sentence(summary(records(distill=distill(verdict=verdict)))) == (
        "Too few seeds to say whether distillation helped: 2.30 points above the same network trained without a "
        "teacher."
    )


def test_a_gap_that_may_be_chance_is_bounded_and_not_called_better_or_worse():
    near = distill(gap=Gap(difference=0.0008, inputs_interval=(-0.0052, 0.0067), level=0.95))
    found = summary(records(distill=near))
    assert ", within 0.67 points of its accuracy, and " in headline.sentence(found)
    assert headline.tiles(found)[1].figure == "+0.08 points"
    assert headline.tiles(found)[1].detail.endswith("; 95% interval \u22120.52 to +0.67 points")


def test_a_student_that_is_not_faster_makes_no_claim():
    slow = comparison(low=0.8)
    found = summary(records(bench=bench(comparison=(slow,))))
    assert headline.sentence(found).startswith("The student is not shown to be faster than its teacher, ")
    assert headline.tiles(found)[0].detail == "no claim"


def test_doubts_stand_above_the_headline_and_before_the_terminals_table(tmp_path, capsys: pytest.CaptureFixture[str]):
    found = records(teacher=teacher(test_accuracy=0.12))
    text = Page(rendered(tmp_path, found)).text
    warning = "The teacher is right on 12.00 % of the test inputs, little more than chance: "
    assert 0 < text.index(f"Warning {warning}") < text.index(headline.sentence(summary(found)))
    terminal.show(summary(found))
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"WARNING: {warning}")
    assert "Warning" not in Page(rendered(tmp_path)).text
