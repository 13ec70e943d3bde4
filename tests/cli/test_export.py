"""The tables of kdeploy export, from a record."""

from __future__ import annotations

import pytest

from kdeploy.cli.export import _formats
from kdeploy.records.export import Format
from tests.reports import report_records


def lines(capsys: pytest.CaptureFixture[str], *formats: Format) -> list[str]:
    _formats(formats)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_format_has_its_size_error_budget_and_agreement(capsys: pytest.CaptureFixture[str]):
    row = report_records.parity_row("student", "openvino").model_copy(
        update={"max_abs_error": 2e-6, "budget": 5e-5, "agreement": 0.9975, "precision": "fp16"}
    )
    made = Format(model="student", runtime="openvino", file="m.xml", bytes=890_000, precision="fp16", parity=row)
    found = lines(capsys, made)
    assert "format model precision size largest error budget agreement" in found
    assert "openvino student fp16 0.89 MB 2.0e-06 5.0e-05 99.75 %" in found


def test_a_refused_format_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]):
    refused = Format(model="teacher", runtime="ncnn", file="", bytes=0, precision="int8", refused="it is too wide")
    found = lines(capsys, refused)
    assert "teacher: no ncnn:int8: it is too wide" in found
    assert "formats" not in found


def test_a_record_of_before_has_no_table_of_formats(capsys: pytest.CaptureFixture[str]):
    assert "formats" not in lines(capsys, *report_records.export().formats)
