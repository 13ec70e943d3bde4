from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from kdeploy.formatting.untrusted import spelled_out
from kdeploy.reports import comparisons, csv_table
from tests.reports.report_records import bench, comparison


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_each_arm_of_each_comparison_has_a_row_and_ratios_stand_with_the_candidate():
    found = rows(csv_table.of(comparisons.pairs(bench())))
    assert [(row["comparison"], row["role"], row["model"], row["runtime"]) for row in found] == [
        ("0", "baseline", "teacher", "onnxruntime"),
        ("0", "candidate", "student", "onnxruntime"),
        ("1", "baseline", "teacher", "openvino"),
        ("1", "candidate", "student", "openvino"),
    ]
    assert [row["median_ns"] for row in found] == ["1634000", "241000", "1312000", "187500"]
    assert [row["speed_up_low"] for row in found] == ["", "6.51", "", "6.74"]
    assert [row["peak_rss_bytes"] for row in found] == ["92300000"] * 4
    assert found[0].keys() == set(csv_table.COLUMNS)


def test_a_refused_ratio_is_empty_and_its_codes_are_there():
    refused = comparison(status="refused", reasons=("noisy", "drift"), text="no claim")
    found = rows(csv_table.of(comparisons.pairs(bench(comparison=(refused,)))))[1]
    assert (found["speed_up"], found["status"], found["reasons"], found["claim"]) == (
        "",
        "refused",
        "R05 R05",
        "no claim",
    )


def test_nothing_timed_is_a_header_alone():
    assert csv_table.of(()) == ",".join(csv_table.COLUMNS) + "\r\n"


@given(st.sampled_from("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"), st.text(max_size=9))
def test_a_text_that_begins_a_formula_gets_an_apostrophe(sign, rest):
    assert csv_table.cell(sign + rest) == f"'{spelled_out(sign + rest)}"


@given(st.text(" \t\n\u00a0", max_size=3), st.sampled_from("=+-@"), st.text(max_size=9))
def test_blanks_in_front_hide_no_formula(blanks, sign, rest):
    assert csv_table.cell(blanks + sign + rest) == f"'{spelled_out(blanks + sign + rest)}"


@given(st.text())
def test_a_cell_is_the_visible_text_and_begins_no_formula(text):
    made = csv_table.cell(text)
    assert made in {spelled_out(text), f"'{spelled_out(text)}"}
    assert str(made).strip()[:1] not in {*"=+-@"}
    sheet = io.StringIO(newline="")
    csv.writer(sheet, lineterminator="\r\n").writerow(["first", made, "last"])
    assert list(csv.reader(io.StringIO(sheet.getvalue(), newline=""))) == [["first", made, "last"]]


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.none()))
def test_numbers_stay_numbers(value):
    assert csv_table.cell(value) is value
