from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from kdeploy.errors import ParityError, ResourceError
from kdeploy.graphs import export as onnx_export
from kdeploy.models.normalise import Normalise
from kdeploy.models.weights import save_weights
from kdeploy.parity.module_truth import module_oracle
from kdeploy.records.bench import BenchRecord, Ratio
from kdeploy.records.export import Form
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import teacher
from kdeploy.stages.export import forms, run
from kdeploy.stages.export.describe import describe
from kdeploy.stages.export.forms import LinearPair, choose, latencies, with_latencies
from kdeploy.stages.export.low_rank import Rank
from kdeploy.system.files import hash_file
from kdeploy.transforms.fold_normalisation import fold_normalisation
from kdeploy.transforms.outcome import Outcome
from tests.models import user_code
from tests.reports import report_records
from tests.stages.conftest import (
    HALF,
    IMAGE,
    OPTIONS,
    STUDENT,
    Done,
    inputs_of,
    make_export,
    make_students,
    make_teacher,
)

PAIR = LinearPair(inputs=6272, width=64, outputs=512)
CHAIN = nn.Sequential()
FUSED = Outcome(CHAIN, True, "one layer in place of 6272 x 64 x 512")
REFUSED = Outcome(CHAIN, False, "the fused weights would take 600000000 bytes, more than 536870912")


def nodes(path: Path) -> list[str]:
    # a dense layer without a bias is MatMul or Gemm, by the version of torch; some versions write Flatten as Reshape
    names = {"MatMul": "Gemm", "Reshape": "Flatten"}
    return [names.get(node.op_type, node.op_type) for node in onnx.load(path).graph.node]


def bench(factored_ns: int, fused_ns: int, interval: tuple[float, float] | None) -> BenchRecord:
    """A measurement of the two forms."""
    arms = [
        report_records.arm(name, "onnxruntime", ns, 1000)
        for name, ns in zip(("factored", "fused"), (factored_ns, fused_ns), strict=True)
    ]
    ratio = Ratio(value=factored_ns / fused_ns, ci=interval, level=0.99, n_pairs=8)
    compared = report_records.comparison().model_copy(
        update={"baseline": arms[0].name, "candidate": arms[1].name, "ratio": ratio}
    )
    return report_records.bench(arms=tuple(arms), comparison=(compared,))


@pytest.mark.parametrize(
    ("measured", "shipped", "reason"),
    [
        (bench(53_000, 376_000, (0.13, 0.15)), "factored", "53 us against 376 us fused, onnxruntime batch 1, measured"),
        (bench(376_000, 53_000, (6.9, 7.2)), "fused", "53 us against 376 us factored, onnxruntime batch 1, measured"),
        # the interval decides, however near the medians are
        (
            bench(100_000, 101_000, (0.98, 0.995)),
            "factored",
            "100 us against 101 us fused, onnxruntime batch 1, measured",
        ),
        # a tie goes to fused, though its median is a little larger
        (bench(100_000, 102_000, (0.95, 1.02)), "fused", "102 us against 100 us factored, onnxruntime batch 1, tie"),
        (bench(100_000, 90_000, (0.95, 1.3)), "fused", "90 us against 100 us factored, onnxruntime batch 1, tie"),
        (bench(100_000, 103_000, None), "fused", "103 us against 100 us factored, onnxruntime batch 1, tie"),
        # without an interval that says, the medians do, beyond 3 %
        (
            bench(100_000, 104_000, None),
            "factored",
            "100 us against 104 us fused, onnxruntime batch 1, by the medians alone",
        ),
        (
            bench(100_000, 150_000, (0.5, 1.1)),
            "factored",
            "100 us against 150 us fused, onnxruntime batch 1, by the medians alone",
        ),
    ],
)
def test_auto_ships_the_faster_form_and_says_why(measured: BenchRecord, shipped: str, reason: str):
    found = choose("auto", PAIR, FUSED, measured)
    assert found.shipped == shipped
    assert (found.reason, found.timed) == ("k 64 < break-even 473", reason)
    assert found.why == f"k 64 < break-even 473: {reason}"
    assert (found.inputs, found.width, found.outputs) == (6272, 64, 512)
    assert found.break_even == pytest.approx(473.36, abs=0.01)


def test_above_the_break_even_the_reason_says_so():
    found = choose("auto", LinearPair(10, 20, 10), FUSED, bench(200_000, 100_000, (1.9, 2.1)))
    assert found.why == "k 20 >= break-even 5: 100 us against 200 us factored, onnxruntime batch 1, measured"


@pytest.mark.parametrize(("choice", "shipped"), [("fuse", "fused"), ("factored", "factored")])
def test_a_form_that_was_asked_for_ships_unmeasured(choice: forms.Choice, shipped: str):
    found = choose(choice, PAIR, FUSED, None)
    assert (found.shipped, found.reason) == (shipped, f"asked for (export.bottleneck: {choice})")


def test_auto_ships_the_factors_where_fusing_was_refused():
    found = choose("auto", PAIR, REFUSED, None)
    assert found.shipped == "factored"
    assert found.reason == f"fusing was refused: {REFUSED.reason}"


def test_asking_for_a_fused_form_that_was_refused_is_an_error():
    with pytest.raises(ResourceError) as caught:
        choose("fuse", PAIR, REFUSED, None)
    assert str(caught.value) == f"export.bottleneck: cannot be fuse ({REFUSED.reason}). Ship the factored form."
    assert choose("factored", PAIR, REFUSED, None).shipped == "factored"


@pytest.mark.parametrize("choice", ["auto", "fuse", "factored"])
def test_without_a_bottleneck_there_is_nothing_to_choose(choice: forms.Choice):
    found = choose(choice, None, REFUSED, None)
    assert (found.shipped, found.reason) == ("plain", "the student has no linear bottleneck")
    assert (found.break_even, found.inputs, found.width, found.outputs) == (None, None, None, None)


def test_forms_that_could_not_be_timed_are_an_error():
    measured = bench(1, 2, None)
    untimed = tuple(arm.model_copy(update={"latency_ns": None}) for arm in measured.arms)
    with pytest.raises(ResourceError) as caught:
        latencies(measured.model_copy(update={"arms": untimed}))
    assert str(caught.value) == "export.bottleneck: must be timed (no replicate could be used)."


def test_each_form_gets_its_own_latency():
    made = [
        Form(form=name, model=report_records.model(f"student.{name}.onnx", 1, 1, 1), latency_ns=None, parity=())
        for name in ("factored", "fused")
    ]
    timed = with_latencies(made, bench(53_000, 376_000, None))
    assert {form.form: form.latency_ns for form in timed} == {"factored": 53_000, "fused": 376_000}
    assert with_latencies(made, None) == tuple(made)


def test_the_factored_student_ships_with_its_proof(exported: Done):
    record, folder = exported.record, exported.folder
    assert record.bottleneck.shipped == "factored"
    assert record.bottleneck.reason == "asked for (export.bottleneck: factored)"
    assert hash_file(folder / "student.onnx") == hash_file(folder / "student.factored.onnx") == record.student.sha256
    assert {form.form for form in record.forms} == {"factored", "fused"}
    for form in record.forms:
        assert [row.runtime for row in form.parity] == ["reference", "onnxruntime"]
        assert all(row.passed for row in form.parity)
        assert form.latency_ns is None
    assert nodes(folder / "student.onnx") == [
        "Sub", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Gemm", "Relu", "Gemm",
    ]  # fmt: skip


def test_fuse_ships_one_dense_layer_in_place_of_two(digits: SampleSet, taught: Done, distilled: Done, tmp_path: Path):
    record = make_export(tmp_path, digits, taught, distilled, options=run.ExportOptions("fuse"))
    assert record.bottleneck.shipped == "fused"
    assert hash_file(tmp_path / "student.onnx") == hash_file(tmp_path / "student.fused.onnx") == record.student.sha256
    kinds = ["Sub", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Relu", "Gemm"]
    assert nodes(tmp_path / "student.onnx") == nodes(tmp_path / "baseline.onnx") == kinds
    by_name = {form.form: form.model for form in record.forms}
    # D = 4 x 7 x 7, k = 8, H = 32: one layer of D H + H numbers in place of k (D + H) + H
    assert by_name["fused"].parameters - by_name["factored"].parameters == 196 * 32 - 8 * (196 + 32)
    assert by_name["fused"].multiply_adds - by_name["factored"].multiply_adds == 196 * 32 - 8 * (196 + 32)


def test_every_fold_is_recorded_done_or_refused_or_with_nothing_to_fold(exported: Done):
    mean_stays = (
        "the scale, into the first convolution; the mean stays, since zero padding would need a corrected border"
    )
    # 3 x 3 windows of 128 channels
    pooled = "it would add 10240 multiply-adds, more than the 4096 that pay"
    assert [(fold.model, fold.name, fold.result, fold.reason) for fold in exported.record.folds] == [
        ("teacher", "batch norm", "done", "6 folded into the convolutions before them"),
        ("teacher", "average pooling", "refused", pooled),
        ("teacher", "input normalisation", "done", mean_stays),
        ("teacher", "bias", "nothing to fold", "no linear layer with a bias stands before another one"),
        (
            "student",
            "batch norm",
            "nothing to fold",
            "no batch norm stands behind a convolution or beside a linear layer",
        ),
        ("student", "average pooling", "nothing to fold", "no average pooling stands before a linear layer"),
        ("student", "input normalisation", "done", mean_stays),
        ("student", "bias", "nothing to fold", "no linear layer with a bias stands before another one"),
        ("student", "bottleneck", "done", "one layer in place of 196 x 8 x 32"),
    ]


def test_the_exported_teacher_is_the_trained_one(exported: Done, taught: Done, digits: SampleSet):
    session = onnxruntime.InferenceSession(exported.folder / "teacher.onnx", providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": inputs_of(digits, HALF, "test")})[0]
    expected = np.load(taught.folder / "test_logits.npy")
    # a deep network in float32 with batch norm folded: 1e-4 of the largest logit
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert "BatchNormalization" not in nodes(exported.folder / "teacher.onnx")


def test_the_formats_lie_where_the_record_says(exported: Done):
    record, folder = exported.record, exported.folder
    found = {(made.model, made.runtime): made for made in record.formats}
    assert sorted(found) == [(model, runtime) for model in ("student", "teacher") for runtime in ("onnx", "openvino")]
    assert found["student", "onnx"].file == "student.onnx"
    assert found["student", "onnx"].bytes == (folder / "student.onnx").stat().st_size
    made = found["student", "openvino"]
    assert made.file.startswith("formats/openvino/student/")
    assert made.bytes == sum(path.stat().st_size for path in (folder / made.file).parent.iterdir())


def test_every_format_was_compared_with_the_trained_net_on_real_inputs(exported: Done):
    rows = [made.parity for made in exported.record.formats if made.parity]
    # of 250 unlabelled inputs 84 are for calibration; 50 are held out; the teacher takes fewer
    assert [(row.model, row.runtime, row.inputs, row.passed) for row in rows] == [
        ("student", "onnxruntime", 216, True),
        ("teacher", "onnxruntime", 64, True),
        ("student", "openvino", 216, True),
        ("teacher", "openvino", 64, True),
    ]
    assert all(0 < row.max_abs_error <= row.budget and row.agreement == 1 for row in rows)


def test_a_file_is_described_by_what_is_in_it(exported: Done):
    path = exported.folder / "student.onnx"
    found = describe(path, (1, 28, 28))
    assert found == exported.record.student.model_copy(update={"torch_flops": None})
    assert (found.file, found.bytes, found.sha256) == ("student.onnx", path.stat().st_size, hash_file(path))
    assert (found.opset, found.ir_version) == (18, onnx.load(path).ir_version)
    assert found.multiply_adds == 25 * 4 * 28**2 + 8 * (196 + 32) + 32 * 10


def test_torch_counts_what_we_count_of_both_models(exported: Done):
    for model in (exported.record.student, exported.record.teacher):
        assert model.torch_flops == 2 * model.multiply_adds > 0


def test_a_student_that_is_not_the_trained_net_is_not_shipped(exported: Done, digits: SampleSet, tmp_path: Path):
    chain = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    inputs = inputs_of(digits, IMAGE, "held_out")
    with pytest.raises(ParityError, match=r"^student\.plain on reference: must be within "):
        forms.export(tmp_path, {"plain": chain}, other, "image", inputs, "onnxruntime")
    assert module_oracle(chain, inputs).logits.shape == (50, 10)


def test_a_fold_of_the_wrong_sign_is_named_by_its_node(digits: SampleSet, tmp_path: Path):
    """b + W mean / std in the place of b - W mean / std."""
    last = nn.Linear(784, 10)
    trained = nn.Sequential(Normalise([0.5], [0.3], axes=4), nn.Flatten(), last).eval()
    layers = fold_normalisation(trained).layers
    folded = copy.deepcopy(layers).eval()
    with torch.no_grad():
        folded[-1].bias.copy_(2 * last.bias - layers[-1].bias)
    inputs = inputs_of(digits, IMAGE, "held_out")
    assert forms.export(tmp_path, {"plain": layers.eval()}, trained, "image", inputs, "onnxruntime")
    with pytest.raises(ParityError, match=r", first at node 'node_linear' \(Gemm\), \d+ flipped\)"):
        forms.export(tmp_path, {"plain": folded}, trained, "image", inputs, "onnxruntime")


def test_auto_times_both_forms_and_ships_one(
    digits: SampleSet, taught: Done, distilled: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    short = forms.Settings(looks=(1,), blocks=2, block_ns=1_000_000, warm_up_ns=1_000_000, warm_up_calls=1)
    monkeypatch.setattr(forms.Settings, "quick", lambda asked: short.model_copy(update={"limits": asked.limits}))
    record = make_export(tmp_path, digits, taught, distilled, options=run.ExportOptions("auto"), formats=[])
    timed = {form.form: form.latency_ns for form in record.forms}
    assert all(timed.values())
    assert record.bottleneck.why.startswith("k 8 < break-even 28: ")
    assert record.student.sha256 == hash_file(tmp_path / f"student.{record.bottleneck.shipped}.onnx")


def test_a_student_without_a_bottleneck_or_a_baseline_is_exported_plain(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    plain = {"convolutions": [], "bottleneck": None, "hidden": [8]}
    options = replace(OPTIONS, epochs=1, seeds=1, baseline=False)
    (tmp_path / "export").mkdir()
    record = make_students(tmp_path / "distill", digits, taught.folder, labeled.folder, student=plain, options=options)
    found = make_export(
        tmp_path / "export", digits, taught, Done(tmp_path / "distill", record), options=run.ExportOptions()
    )
    assert found.bottleneck.shipped == "plain"
    assert found.baseline is None
    assert [form.form for form in found.forms] == ["plain"]
    assert nodes(tmp_path / "export" / "student.onnx") == ["Flatten", "Gemm", "Relu", "Gemm"]
    assert ("student", "input normalisation", True, "into the first layer") in [
        (fold.model, fold.name, fold.done, fold.reason) for fold in found.folds
    ]
    # its one wide layer can have a lower rank all the same
    (tmp_path / "rank").mkdir()
    cut = make_export(
        tmp_path / "rank", digits, taught, Done(tmp_path / "distill", record), options=run.ExportOptions(Rank(rank=4))
    )
    assert (cut.bottleneck.shipped, cut.bottleneck.width) == ("low-rank", 4)
    assert [form.form for form in cut.forms] == ["plain", "low-rank"]
    assert nodes(tmp_path / "rank" / "student.onnx") == ["Flatten", "Gemm", "Gemm", "Relu", "Gemm"]
    assert found.student.multiply_adds - cut.student.multiply_adds == 784 * 8 - 4 * (784 + 8)


def test_the_batch_norm_of_a_student_is_not_in_its_file(digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path):
    options = replace(OPTIONS, epochs=1, seeds=1, training=replace(OPTIONS.training, optimizer="muon"))
    (tmp_path / "export").mkdir()
    record = make_students(
        tmp_path, digits, taught.folder, labeled.folder, student=STUDENT | {"batch_norm": True}, options=options
    )
    found = make_export(tmp_path / "export", digits, taught, Done(tmp_path, record))
    expected = ["Sub", "Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Gemm", "Relu", "Gemm"]
    for name in ("student.onnx", "baseline.onnx"):
        assert nodes(tmp_path / "export" / name) == expected
    # both forms agree with the network that has them, on real inputs
    assert all(row.passed for form in found.forms for row in form.parity)
    folded = "1 folded into the convolutions before them, 2 folded into the linear layers before them"
    assert ("student", "batch norm", True, folded) in [
        (fold.model, fold.name, fold.done, fold.reason) for fold in found.folds
    ]


def test_an_onnx_teacher_goes_out_as_it_came_in(digits: SampleSet, distilled: Done, tmp_path: Path):
    origin, stage, out = tmp_path / "net.onnx", tmp_path / "teacher", tmp_path / "export"
    stage.mkdir()
    out.mkdir()
    onnx_export.write(user_code.build().eval(), origin, input_name="pixels", shape=(1, 28, 28))
    record = make_teacher(
        stage, digits, teacher=teacher.ExternalTeacher("onnx", "net.onnx", origin), preprocessing=IMAGE
    )
    found = run.teacher_file(out, run.ExportedTeacher(record, [(stage, record)]))
    assert found.model.sha256 == hash_file(origin) == hash_file(out / "teacher.onnx")
    assert (found.model.multiply_adds, found.networks) == (7840, None)
    assert found.folds == ()


def test_a_users_module_goes_out_as_it_is(digits: SampleSet, tmp_path: Path):
    save_weights(user_code.build(), tmp_path / "teacher.safetensors", {})
    record = report_records.teacher(origin="torch", name="tests.models.user_code:build")
    (tmp_path / "out").mkdir()
    folds = run.teacher_file(tmp_path / "out", run.ExportedTeacher(record, [(tmp_path, record)])).folds
    session = onnxruntime.InferenceSession(tmp_path / "out" / "teacher.onnx", providers=["CPUExecutionProvider"])
    inputs = inputs_of(digits, IMAGE, "test")
    with torch.inference_mode():
        expected = user_code.build().eval()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(session.run(None, {"image": inputs})[0], expected, rtol=1e-5, atol=1e-5)
    assert [(fold.name, fold.done, fold.reason) for fold in folds] == [
        ("bottleneck", False, "no two linear layers stand next to each other")
    ]


def test_a_pair_of_a_users_module_goes_out_as_one_layer(digits: SampleSet, tmp_path: Path):
    save_weights(user_code.build_a_pair(), tmp_path / "teacher.safetensors", {})
    record = report_records.teacher(origin="torch", name="tests.models.user_code:build_a_pair")
    (tmp_path / "out").mkdir()
    folds = run.teacher_file(tmp_path / "out", run.ExportedTeacher(record, [(tmp_path, record)])).folds
    assert [(fold.model, fold.name, fold.done, fold.reason) for fold in folds] == [
        ("teacher", "bottleneck", True, "one layer in place of 784 x 30 x 10")
    ]
    assert nodes(tmp_path / "out" / "teacher.onnx") == ["Flatten", "Gemm"]
