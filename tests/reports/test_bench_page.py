"""The page of a benchmark that belongs to no run, and the sections that a run's page shares with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BatchThroughput, BenchRecord, Sustained, Window
from kdeploy.reports import bench_headline, comparisons, layers, plots, write
from kdeploy.reports.figures.sustained import relative
from tests.reports.report_records import batched, bench, comparison, measured, records, summary, write_raw
from tests.reports.test_page import Page, rendered


def drawn(folder: Path, record: BenchRecord, *, raw: bool = False) -> str:
    write.run_bench(folder, bench=record, raw=write_raw(folder / "raw.jsonl.gz", record) if raw else None)
    return (folder / "report.html").read_text(encoding="utf-8")


def called(record: BenchRecord, baseline: str, candidate: str) -> BenchRecord:
    names = {"baseline": baseline, "candidate": candidate}
    return record.model_copy(
        update={"arms": tuple(arm.model_copy(update={"model": names[arm.role]}) for arm in record.arms)}
    )


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return drawn(tmp_path_factory.mktemp("bench"), called(batched(), "a.onnx", "b.onnx"), raw=True)


def test_the_record_is_its_data_and_the_same_record_gives_the_same_bytes(tmp_path, html):
    record = called(batched(), "a.onnx", "b.onnx")
    assert drawn(tmp_path, record, raw=True) == html
    assert BenchRecord.read(tmp_path / "report.json") == record


def test_the_claim_comes_first_and_nothing_of_a_distillation_stands_there(html):
    page = Page(html)
    assert page.open == []
    assert page.text.index(
        "b.onnx is at least 6.5\u00d7 as fast as a.onnx, and 1.53\u00d7 its size."
    ) < page.text.index("Speed")
    for word in ("eacher", "tudent", "istil", "Verdict", "Bottleneck", "Gate"):
        assert word not in page.text.replace("Student >= 6.", "").replace("faster than teacher", ""), word


def test_everything_that_was_measured_has_its_place(html):
    text = Page(html).text
    for figure in (
        *(
            "a.onnx, 25.3 MMAC",
            "/features/0/Conv Conv 1 \u00d7 32 \u00d7 28 \u00d7 28 19,211 12,644,992 50.0 %",
            "3 smaller ones",
        ),
        *(
            "0.545 ms 33 % (32 to 35) compute",
            "Measured: 58.0 GFLOP/s by torch.mm 1024 and 14.2 GB/s out of memory on 1 thread.",
        ),
        *("171 ms 19.0 ms 0.610 ms never 10 cold", "6.40 ms 0.610 ms 2.40 ms 10 cold"),
        *("10.0 +6.1 %", "10.0 +0.4 %", "11.7 mJ package-0 12", "onnxruntime, 1 thread 0.00720 ms"),
        *("92.3 MB 71.2 MB 9.40 MB", "4,149/s", "batch 32, 1 thread", "Example CPU @ 2.70GHz", "kdeploy bench"),
        *("9 void: 9 idle arm used CPU", "4.3e\u221206 passed", "accuracy (top-1) 96.85 %, 2,000 inputs"),
    ):
        assert figure in text, figure
    assert ": not measured" not in text


def test_a_run_has_the_same_sections(tmp_path):
    text = Page(rendered(tmp_path, records(bench=measured()))).text
    for heading in ("Work by layer", "Memory and bytes", "Least possible time", "Cold start", "Sustained", "Energy"):
        assert heading in text, heading


def test_what_was_not_measured_says_why_in_its_place(tmp_path):
    missing = (
        Unavailable(field="arms[a].b@onnxruntime-b1-t1].cold_start_ns", reason="not asked for (--cold-start)"),
        Unavailable(field="energy_uj", reason="there is no powercap"),
        Unavailable(field="null_sut", reason="not measured yet"),
    )
    text = Page(drawn(tmp_path, bench(unavailable=missing))).text
    for sentence in (
        "Cold start: not asked for (--cold-start).",
        "Energy: not measured; there is no powercap.",
        "Floor of a call: not measured yet.",
        "Roofline: not measured; the record has none, and does not say why.",
    ):
        assert sentence in text, sentence


def test_a_refused_comparison_makes_no_claim_and_shows_its_reason_where_the_number_would_stand(tmp_path):
    refused = comparison(status="refused", reasons=("the machine was busy",), text="no claim about b and a: busy")
    text = Page(drawn(tmp_path, called(bench(comparison=(refused,)), "a.onnx", "b.onnx"))).text
    assert "b.onnx is not shown to be faster or slower than a.onnx. No claim about b and a: busy." in text
    assert "the machine was busy refused" in text
    assert "6.7\u00d7" not in text


def test_an_indication_is_called_one(tmp_path):
    weak = comparison(status="indicative", reasons=("quality was not compared",))
    pairs = comparisons.pairs(bench(comparison=(weak,)))
    assert bench_headline.sentence(pairs).startswith(
        "Indication only: student is at least 6.5\u00d7 as fast as teacher, "
    )
    text = Page(drawn(tmp_path, bench(comparison=(weak,)))).text
    assert "Not more than that, because: quality was not compared." in text


def test_a_slower_candidate_is_called_slow_with_the_bound_nearest_to_1():
    slow = comparison(low=0.5)  # to 0.53
    [pair] = comparisons.pairs(bench(comparison=(slow,)))
    assert (
        bench_headline.sentence([pair]) == "Student is at least 1.88\u00d7 as slow as teacher, and 1.53\u00d7 its size."
    )
    tile = bench_headline.tiles([pair])[0]
    assert (tile.label, tile.figure, tile.tone) == ("Speed-up, at most", "0.53\u00d7", "bad")


def test_the_weakest_claim_speaks_and_says_in_how_many_settings_it_holds():
    none = comparison("openvino", status="no_difference_shown", low=0.99)
    pairs = comparisons.pairs(bench(comparison=(comparison(low=8.0), none, comparison(low=6.51))))
    assert "at least 6.5\u00d7 as fast as teacher in 2 of 3 settings timed" in bench_headline.sentence(pairs)


def test_a_benchmark_of_nothing_says_so(tmp_path):
    text = Page(drawn(tmp_path, bench(comparison=(), arms=()))).text
    assert "Nothing was timed." in text


def test_names_from_outside_print_as_they_are(tmp_path):
    evil = "<script>alert(1)</script>{{7*7}}\u202e"
    html = drawn(tmp_path, called(measured(), "a", evil), raw=True)
    page = Page(html)
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>{{7*7}}\\u202e" in "".join(page.texts)
    assert "\u202e" not in html


def test_a_setting_names_what_differs_between_comparisons():
    assert [pair.setting for pair in comparisons.pairs(bench())] == ["onnxruntime", "openvino"]
    assert [pair.setting for pair in comparisons.pairs(batched())] == [
        *("onnxruntime, batch 1", "openvino, batch 1", "onnxruntime, batch 32", "openvino, batch 32")
    ]


def test_figures_missing_of_several_arms_for_one_reason_stand_once():
    found = [
        Unavailable(field="arms[x].latency_ns.p999", reason="too few calls"),
        Unavailable(field="arms[y].z].latency_ns.p999", reason="too few calls"),
        Unavailable(field="host.governor", reason="not readable"),
    ]
    assert list(comparisons.grouped(found)) == [
        comparisons.Missing("latency_ns.p999", 2, "too few calls"),
        comparisons.Missing("host.governor", 0, "not readable"),
    ]


def test_layers_keep_the_order_of_the_graph_and_lose_no_work():
    compute = measured().arms[0].compute
    assert compute is not None
    rows = layers.rows(compute, shown=3)
    assert [row.name for row in rows] == ["/features/0/Conv", "/features/1/Conv", "/features/2/Conv", "12 smaller ones"]
    assert sum(row.multiply_adds for row in rows) == sum(layer.multiply_adds for layer in compute.layers)
    turned = compute.model_copy(update={"layers": compute.layers[::-1]})
    assert [row.name for row in layers.rows(turned, shown=2)][:2] == ["/features/1/Conv", "/features/0/Conv"]


def test_throughput_is_drawn_when_several_batches_were_timed():
    alone, found = measured(), batched()
    assert plots.rates(alone, comparisons.pairs(alone)) == ()
    rates = plots.rates(found, comparisons.pairs(found))
    assert {(rate.setting, rate.batch) for rate in rates} == {
        *(("onnxruntime", 1), ("openvino", 1), ("onnxruntime", 32), ("openvino", 32))
    }


def test_throughput_beside_the_comparisons_is_drawn_and_listed_as_no_claim(tmp_path):
    brief = [
        BatchThroughput(
            model="student", role="candidate", runtime="openvino", batch=batch, threads=2, value=9e3, processes=2
        )
        for batch in (8, 64)
    ]
    record = measured().model_copy(update={"throughput": tuple(brief)})
    rates = plots.rates(record, comparisons.pairs(record))
    assert {(rate.setting, rate.batch) for rate in rates if rate.part == "candidate"} == {
        *(
            ("onnxruntime, 1 thread", 1),
            ("openvino, 1 thread", 1),
            ("openvino, 2 threads", 8),
            ("openvino, 2 threads", 64),
        )
    }
    text = Page(drawn(tmp_path, record)).text
    assert "student openvino 64 2 9,000/s 2 Medians of short processes, without an interval" in text


def test_a_note_on_a_ratio_stands_once(tmp_path):
    noted = [one.model_copy(update={"notes": ("denormal inputs take longer",)}) for one in bench().comparison]
    text = Page(drawn(tmp_path, bench(comparison=tuple(noted)))).text
    assert text.count("Denormal inputs take longer.") == 1


def test_an_arm_stands_below_the_roof_at_its_flops_a_byte():
    first = next(plots.reached(comparisons.pairs(measured())))
    assert first.intensity == pytest.approx(50_579_968 / (4 * 288_170 + 3200))
    assert first.flops_per_second == pytest.approx(50_579_968 / 1.634e-3)


def test_a_sustained_run_is_told_in_percent_of_its_first_tenth():
    medians = [100, 100, 102, 104, 105, 106, 107, 108, 109, 110]
    windows = tuple(Window(at_ns=place, calls=1, median_ns=value) for place, value in enumerate(medians))
    assert relative(Sustained(duration_ns=10, windows=windows, drift=0.1)) == medians
    assert relative(Sustained(duration_ns=1, windows=windows[-1:], drift=0.0)) == [100]


def test_the_summary_of_a_run_names_the_same_settings():
    assert len(summary(records(bench=batched())).bench) == len(comparisons.pairs(batched()))
