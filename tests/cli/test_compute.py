"""The costs of a call, in words and as a table."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from kdeploy.cli import compute
from kdeploy.records.bench import Compute, Fraction, Roofline
from tests import made
from tests.reports import report_records

COMPUTE = Compute(multiply_adds=1_234_567, flops=2_469_134, coverage=1.0, params=300)


def test_a_whole_count_is_said_as_it_is():
    assert compute.words(COMPUTE) == "300 parameters, 1.23 M multiply-adds a call"


def test_a_count_of_a_part_is_said_to_be_a_lower_bound():
    part = COMPUTE.model_copy(update={"coverage": 0.98})
    assert compute.words(part) == "300 parameters, >= 1.23 M multiply-adds a call"


def test_a_benchmark_says_once_what_each_of_its_models_costs():
    record = report_records.bench()
    assert len(record.arms) > 2
    arms = [arm.model_copy(update={"compute": COMPUTE}) for arm in record.arms]
    arms[1] = arms[1].model_copy(update={"workload": arms[1].workload.model_copy(update={"batch": 8})})
    assert list(compute.bench_lines(record.model_copy(update={"arms": tuple(arms)}))) == [
        "teacher: 300 parameters, 1.23 M multiply-adds a call",
        "student, batch 8: 300 parameters, 1.23 M multiply-adds a call",
        "student: 300 parameters, 1.23 M multiply-adds a call",
    ]
    assert list(compute.bench_lines(record.model_copy(update={"arms": ()}))) == []


def test_a_benchmark_says_how_near_the_limit_each_arm_is():
    record = report_records.bench()
    line = Roofline(
        peak_flops=1e11,
        peak_engine="numpy 512",
        bandwidth_bytes_s=1e10,
        bandwidth_of="cache",
        bytes_min=1000,
        call_floor_ns=5000,
        limit_ns=25_000,
        fraction_of_limit=Fraction(value=0.367, ci=None),
        bound="compute",
    )
    arms = (record.arms[0].model_copy(update={"roofline": line}), *record.arms[1:])
    assert list(compute.roofline_lines(record.model_copy(update={"arms": arms}))) == [
        "teacher@onnxruntime-b1-t1: 37 % of what this machine can do, bound by compute"
    ]


def test_show_prints_the_layers_of_a_model(command, tmp_path):
    # 4x4 pixels to 16, and 16 to 3
    found = command("show", made.linear(tmp_path / "a.onnx", (1, 4, 4)), "--batch", 2)
    assert found.code == 0, found.stderr
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines == [
        "a.onnx at x 2x1x4x4",
        "layer operator output multiply-adds share parameters",
        "hidden MatMul 2x16 512 84.2% 256",
        "logits MatMul 2x3 96 15.8% 48",
        "",
        "304 parameters, 608 multiply-adds a call, 1216 FLOPs, 1.2 kB of stored tensors",
    ]


def test_show_names_what_was_not_counted(command, tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    model = onnx.load(path)
    model.graph.node.insert(3, helper.make_node("Resize", ["active", "", "", "sizes"], ["wide"]))
    model.graph.initializer.append(helper.make_tensor("sizes", TensorProto.INT64, [2], [1, 16]))
    model.graph.node[4].input[0] = "wide"
    onnx.save(model, path)
    found = command("show", path)
    assert found.code == 0, found.stderr
    # of 16 + 16 + 16 + 16 + 3 elements, the third 16
    assert found.stdout.splitlines()[-2:] == [
        "304 parameters, >= 304 multiply-adds a call, >= 608 FLOPs, 1.2 kB of stored tensors",
        "not counted: Resize (1); 76.1% of the output elements are",
    ]


def test_json_is_the_record(command, tmp_path):
    found = command("show", made.linear(tmp_path / "a.onnx", (1, 4, 4)), "--json")
    assert found.document["schema"] == "kdeploy.count/2.1"
    assert found.document["input_shapes"] == {"x": [1, 1, 4, 4]}
    assert found.document["compute"]["multiply_adds"] == 256 + 48
    assert [layer["name"] for layer in found.document["compute"]["layers"]] == ["hidden", "logits"]


def test_a_file_that_is_no_model_is_refused(command, tmp_path):
    (tmp_path / "a.onnx").write_text("garbage")
    assert command("show", tmp_path / "a.onnx").code == 3
