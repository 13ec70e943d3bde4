from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdeploy.evaluation.precision_cost import Labeled
from kdeploy.records.export import ExportRecord, Format
from kdeploy.records.precision import Cost
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bundle
from kdeploy.stages.export import precision, run
from tests.stages.conftest import HALF, IMAGE, Done, inputs_of, make_export

FORMATS = ["onnx", "onnxruntime:fp16", "onnxruntime:int8"]


@pytest.fixture(scope="module")
def lower(digits: SampleSet, taught: Done, distilled: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """An export with formats in lower precisions, before they are judged."""
    folder = tmp_path_factory.mktemp("lower")
    # what int8 costs so small a student differs from processor to processor, and here nothing is refused yet
    options = run.ExportOptions("factored", max_int8_drop=100)
    record = make_export(folder, digits, taught, distilled, formats=FORMATS, options=options)
    formats = (one.model_copy(update={"cost": None}) for one in record.formats if one.model != "baseline")
    return Done(folder, record.model_copy(update={"formats": tuple(formats)}))


def test_an_export_is_judged_when_it_is_made(digits: SampleSet, taught: Done, distilled: Done, tmp_path: Path):
    options = run.ExportOptions("factored", max_int8_drop=0.0, preprocess="graph")
    record = make_export(tmp_path, digits, taught, distilled, formats=["onnxruntime:int8"], options=options)
    costs = [one.cost for one in record.formats if one.precision == "int8"]
    assert costs
    assert None not in costs
    assert record.raw is not None


def judged(folder: Path, record: ExportRecord, digits: SampleSet, max_int8_drop: float = 100) -> ExportRecord:
    labels = digits.labels[digits.parts["held_out"]]
    return precision.judge(
        folder,
        record,
        held_out={
            "student": Labeled("held_out", inputs_of(digits, IMAGE, "held_out"), labels),
            "teacher": Labeled("held_out", inputs_of(digits, HALF, "held_out"), labels),
        },
        transfer=inputs_of(digits, IMAGE, "unlabeled"),
        max_int8_drop=max_int8_drop,
    )


def found(record: ExportRecord) -> dict[tuple[str, str], Format]:
    return {(made.model, made.key): made for made in record.formats}


def test_every_lower_precision_stands_beside_fp32_on_the_held_out_inputs(lower: Done, digits: SampleSet):
    formats = found(judged(lower.folder, lower.record, digits))
    assert sorted(formats) == [
        ("baseline", "onnxruntime:int8"),
        *[(model, key) for model in ("student", "teacher") for key in sorted(FORMATS)],
    ]
    assert [formats[model, "onnx"].cost for model in ("student", "teacher")] == [None, None]
    for (model, key), made in formats.items():
        if key != "onnx":
            assert made.cost is not None
            assert (made.cost.model, made.cost.format, made.cost.part, made.cost.inputs) == (model, key, "held_out", 50)
            # 8 bits on networks that are hardly trained, so that many answers are near ties: at most five of fifty
            # change
            assert made.cost.agreement >= 0.9
            assert abs(made.cost.drop_points) <= 10
    calibrated = {key: made.cost.calibration for (_, key), made in formats.items() if made.cost}
    assert calibrated == {"onnxruntime:fp16": None, "onnxruntime:int8": 84}  # every third of 250


def test_the_baseline_is_for_the_processors_that_the_student_is_for(lower: Done, digits: SampleSet):
    formats = found(judged(lower.folder, lower.record, digits))
    said = {formats[model, "onnxruntime:int8"].processors for model in ("student", "baseline", "teacher")}
    assert [one.names for one in said if one] == [("x86_64", "aarch64")]


def test_the_accuracy_of_fp32_is_that_of_the_trained_nets(lower: Done, digits: SampleSet, distilled: Done):
    formats = found(judged(lower.folder, lower.record, digits))
    chosen = distilled.record.chosen
    baseline = next(net for net in distilled.record.baselines if net.seed == chosen.seed)
    for model, net in (("student", chosen), ("baseline", baseline)):
        cost = formats[model, "onnxruntime:int8"].cost
        assert cost is not None
        assert cost.fp32 == net.held_out_accuracy


def test_the_baseline_is_quantised_as_the_student_is(lower: Done, digits: SampleSet):
    formats = found(judged(lower.folder, lower.record, digits))
    student, baseline = (formats[model, "onnxruntime:int8"] for model in ("student", "baseline"))
    assert baseline.file == "formats/onnxruntime-int8/baseline/model.onnx"
    assert baseline.bytes == (lower.folder / baseline.file).stat().st_size
    kinds = [[node.op_type for node in onnx.load(lower.folder / made.file).graph.node] for made in (student, baseline)]
    assert kinds[0] == kinds[1]
    assert "QuantizeLinear" in kinds[0]


@pytest.fixture
def spoiled(lower: Done, tmp_path: Path) -> Done:
    """An export whose int8 student always says 9."""
    folder = tmp_path / "export"
    shutil.copytree(lower.folder, folder)
    path = folder / found(lower.record)["student", "onnxruntime:int8"].file
    model = onnx.load(path)
    bias = next(
        tensor for tensor in model.graph.initializer if list(tensor.dims) == [10] and tensor.data_type == 6
    )  # int32, of the last layer
    values = numpy_helper.to_array(bias).copy()
    values[9] = 2**30
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, path)
    return Done(folder, lower.record)


def test_int8_that_loses_too_much_is_kept_back_with_its_reason(spoiled: Done, digits: SampleSet):
    record = judged(spoiled.folder, spoiled.record, digits, max_int8_drop=1.5)
    made = found(record)["student", "onnxruntime:int8"]
    assert made.cost is not None
    lost = 100 * (made.cost.fp32 - made.cost.accuracy)
    assert made.processors is None
    assert made.refused == (
        f"int8 loses {lost:.3g} points of accuracy on 50 held-out inputs, {made.cost.fp32:.2%} -> "
        f"{made.cost.accuracy:.2%} ({made.cost.agreement:.1%} agree), more than the 1.5 allowed: fp32 is kept"
    )
    assert (made.file, made.bytes) == ("", 0)
    assert not (spoiled.folder / "formats/onnxruntime-int8/student").exists()
    assert found(record)["teacher", "onnxruntime:int8"].refused is None
    assert found(record)["student", "onnxruntime:fp16"].refused is None
    assert bundle.formats_of(spoiled.folder, record).keys() == {"onnxruntime-fp16"}


def test_as_much_as_allowed_is_not_too_much(spoiled: Done, digits: SampleSet):
    assert found(judged(spoiled.folder, spoiled.record, digits, 100))["student", "onnxruntime:int8"].refused is None


def test_a_drop_is_in_percentage_points_without_the_noise_of_binary_fractions():
    cost = Cost(model="student", format="x:int8", part="test", inputs=100, fp32=0.99, accuracy=0.98, agreement=0.99)
    assert cost.drop_points == 1.0


def test_without_a_baseline_only_the_student_is_quantised(lower: Done, digits: SampleSet):
    record = lower.record.model_copy(update={"baseline": None})
    assert {made.model for made in judged(lower.folder, record, digits).formats} == {"student", "teacher"}


def test_a_format_that_was_refused_before_stays_as_it_is(lower: Done, digits: SampleSet):
    refused = Format(model="student", runtime="x", precision="int8", file="", bytes=0, refused="it does not")
    record = lower.record.model_copy(update={"formats": (refused,)})
    assert judged(lower.folder, record, digits).formats == (refused,)


def test_nothing_is_asked_of_formats_in_fp32(lower: Done, digits: SampleSet):
    plain = tuple(made for made in lower.record.formats if made.precision == "fp32")
    record = lower.record.model_copy(update={"formats": plain})
    assert judged(lower.folder, record, digits).formats == plain
    assert np.all([made.cost is None for made in plain])
