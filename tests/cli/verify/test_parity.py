"""What kdeploy verify prints of parity: everything first, the failure after it."""

from __future__ import annotations

import json

import pytest

from kdeploy.cli.errors import AlreadyReported
from kdeploy.cli.verify import parity
from kdeploy.errors import ParityError
from kdeploy.records.parity import VerifyRecord
from tests.reports import report_records as made

PASSED = made.parity_row("student", "onnxruntime")
FAILED = PASSED.model_copy(update={"runtime": "openvino", "passed": False, "propagates_nan": False})
RECORD = VerifyRecord(rows=(PASSED, FAILED), versions={})


def test_a_row_that_failed_is_printed_and_then_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ParityError):
        parity.finish(RECORD, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines if line[:1] == ["student"]] == ["passed", "FAILED"]


def test_the_one_document_has_the_rows_and_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AlreadyReported):
        parity.finish(RECORD, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [row["passed"] for row in document["rows"]] == [True, False]
    assert document["error"]["kind"] == "ParityError"


def test_rows_that_passed_are_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    parity.finish(VerifyRecord(rows=(PASSED,), versions={}), as_json=False)
    assert "passed" in capsys.readouterr().out
