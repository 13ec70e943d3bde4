"""Records as tables: plain rows with equal keys, and a DataFrame of them where pandas is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from kdeploy.errors import MissingError
from kdeploy.records.bench import Claim, LayerCost, Ratio
from kdeploy.records.bench_compare import ArmComparison, BenchCompareRecord
from kdeploy.records.count import CountRecord
from kdeploy.records.export import ModelExportRecord
from kdeploy.records.plan import PlannedStage, PlanRecord
from kdeploy.records.sweep import SweepRecord, SweepRow
from kdeploy.records.table import Table
from tests.cli.test_compute import COMPUTE
from tests.reports import report_records as made

DISTILLED = made.distill()


def sweep() -> SweepRecord:
    row = SweepRow(
        variant="wide",
        run="mine.wide",
        teacher_accuracy=0.97,
        students=DISTILLED.students,
        baselines=(),
        verdict=DISTILLED.verdict,
        parameters=1000,
        loss="logit-mse",
        steps=10,
        test_inputs=2000,
        fingerprints={},
        software=made.SOFTWARE,
    )
    return SweepRecord(name="mine", rows=(row, row.model_copy(update={"baselines": DISTILLED.baselines})))


def compared() -> BenchCompareRecord:
    ratio = Ratio(value=1.1, ci=(1.0, 1.2), level=0.99, n_pairs=12)
    claim = Claim(status="indicative", text="")
    arms = (
        ArmComparison(arm="a", first_ns=110, second_ns=100, ratio=ratio, claim=claim),
        ArmComparison(arm="b", first_ns=None, second_ns=100, ratio=None, claim=claim),
    )
    return BenchCompareRecord(first="1", second="2", differences=(), arms=arms)


def plan() -> PlanRecord:
    return PlanRecord(
        name="mine",
        stages=(PlannedStage(stage="samples", fingerprint="0123", done=True),),
        samples={},
        label_rows=1,
        label_bytes=None,
        student_parameters=1,
        student_multiply_adds=1,
        fused_multiply_adds=None,
        bottleneck=None,
        break_even=None,
    )


def counted() -> CountRecord:
    layer = LayerCost(name="hidden", op_type="MatMul", output_shape=(1, 16), multiply_adds=256, parameters=256)
    return CountRecord(
        model="a.onnx", input_shapes={"x": (1, 16)}, compute=COMPUTE.model_copy(update={"layers": (layer,)})
    )


def rewritten() -> ModelExportRecord:
    export = made.export()
    return ModelExportRecord(
        source=export.student,
        model=export.student,
        forms=export.forms,
        folds=(),
        pairs=(),
        bottleneck=export.bottleneck,
        inputs=64,
    )


TABLES: list[Table] = [
    made.bench(),
    compared(),
    made.verify(),
    sweep(),
    made.export(),
    rewritten(),
    plan(),
    made.summary(),
    counted(),
    DISTILLED,
]


@pytest.mark.parametrize("record", TABLES, ids=lambda record: type(record).__name__)
def test_every_row_has_the_same_columns_and_plain_cells(record: Table) -> None:
    rows = record.to_rows()
    assert rows
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert all(isinstance(cell, str | int | float | bool | None) for row in rows for cell in row.values())


def test_a_benchmark_has_a_row_for_each_comparison_with_both_medians() -> None:
    record = made.bench()
    first = record.to_rows()[0]
    assert len(record.to_rows()) == len(record.comparison)
    assert (first["baseline"], first["candidate"], first["runtime"]) == ("teacher", "student", "onnxruntime")
    assert (first["baseline_ns"], first["candidate_ns"]) == made.MEDIANS_NS["onnxruntime"]
    assert first["ratio"] == record.comparison[0].ratio.value


def test_an_arm_without_a_ratio_has_empty_cells() -> None:
    assert compared().to_rows()[1] == {
        **{"arm": "b", "first_ns": None, "second_ns": 100, "ratio": None, "low": None, "high": None},
        "status": "indicative",
    }


def test_a_sweep_has_means_over_seeds_and_none_where_there_is_no_net() -> None:
    alone, both = sweep().to_rows()
    accuracies = [net.test_accuracy for net in DISTILLED.students]
    assert alone["student_accuracy"] == pytest.approx(sum(accuracies) / len(accuracies), abs=1e-12)
    assert (alone["baseline_accuracy"], alone["verdict"]) == (None, None)
    assert both["verdict"] == DISTILLED.verdict.status


def test_one_form_of_an_export_ships() -> None:
    export = made.export()
    assert [row["form"] for row in export.to_rows() if row["ships"]] == [export.bottleneck.shipped]


def test_a_summary_has_a_row_for_each_model() -> None:
    assert [row["model"] for row in made.summary().to_rows()] == ["teacher", "student", "baseline"]
    assert [row["model"] for row in made.summary().model_copy(update={"baseline": None}).to_rows()] == [
        "teacher",
        "student",
    ]


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed here")
def test_a_data_frame_has_the_rows() -> None:
    frame = made.bench().to_pandas()
    assert frame.to_dict("records") == made.bench().to_rows()


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingError) as caught:
        made.bench().to_pandas()
    assert caught.value.exit_code == 7
    assert str(caught.value) == (
        "to_pandas: must have pandas (it is not installed). Install it with: pip install pandas. "
        "Without it, to_rows() gives the same as a list of dicts."
    )


def test_a_quality_that_counts_no_inputs_has_no_errors():
    classes = sweep().rows[1]
    values = classes.model_copy(update={"outputs": "values"})
    row, before = values.row(), classes.row()
    assert row.keys() == before.keys()
    assert {key: row[key] for key in row if row[key] != before[key]} == {
        "teacher_errors": None,
        **dict.fromkeys(("student_errors", "student_errors_per_seed", "baseline_errors", "baseline_errors_per_seed")),
    }
    assert (classes.teacher_errors, values.teacher_errors) == ("60", "97.00 %")
    assert values.errors_of(DISTILLED.students) == ("96.73 %", "96.75 96.60 96.85")
