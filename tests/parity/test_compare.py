from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from kdeploy.errors import DataError, ParityError
from kdeploy.graphs import export
from kdeploy.models import shallow
from kdeploy.parity.compare import compare, logits_of, raise_if_failed, thinned
from kdeploy.parity.module_truth import module_oracle
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.truth import onnx_oracle
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.protocol import Arrays, Session
from kdeploy.runtimes.reference import Reference
from tests.fakes.scripted_runtime import Answers, ScriptedRuntime
from tests.models.test_classifier import linear_model

INPUTS = np.random.default_rng(0).random((120, 1, 8, 8), np.float32)
NET = shallow.seeded(
    1,
    shape=(1, 8, 8),
    classes=5,
    convolutions=[(4, 3, 2)],
    bottleneck=6,
    hidden=[16],
    mean=(0.5,),
    std=(0.3,),
).eval()
ADVICE = "The model file is not the trained network: export it again, and report this if it stays."


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "m.onnx"
    export.write(NET, path, input_name="image", shape=(1, 8, 8))
    return path


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return module_oracle(NET, INPUTS)


def through(session: Session, oracle: Oracle) -> ParityRow:
    logits, batches = logits_of(session, "image", INPUTS)
    return compare(oracle, logits, model="student", runtime="scripted", batches=batches)


def spoiled(model_file: Path, folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    """A copy of the model whose weights, by name, were changed."""
    model = onnx.load(model_file)
    weights = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer}
    change(weights)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    onnx.save(model, folder / "spoiled.onnx")
    return folder / "spoiled.onnx"


def last_layer(weights: dict[str, np.ndarray]) -> np.ndarray:
    """The weight (classes, hidden) of the logits; their biases are still zero."""
    return next(value for value in weights.values() if value.shape == (5, 16))


@pytest.mark.parametrize("runtime", [OnnxRuntime(), Reference()], ids=["onnxruntime", "reference"])
def test_an_honest_export_passes(model_file: Path, oracle: Oracle, runtime: OnnxRuntime | Reference):
    row = through(runtime.load(model_file, threads=1), oracle)
    assert row.passed
    assert (row.inputs, row.agreement, row.flips) == (120, 1.0, 0)
    assert 0 < row.max_abs_error <= row.budget == 8 * row.float32_error + 1e-6 * row.scale
    assert row.scale == np.abs(oracle.logits).max()
    raise_if_failed([row])


def test_one_weight_spoiled_by_one_percent_is_caught_and_the_worst_input_named(
    model_file: Path, oracle: Oracle, tmp_path: Path
):
    def spoil(weights: dict[str, np.ndarray]) -> None:
        weight = last_layer(weights)
        weight[3, np.abs(weight[3]).argmax()] *= 1.01

    path = spoiled(model_file, tmp_path, spoil)
    session = OnnxRuntime().load(path, threads=1)
    row = through(session, oracle)
    assert not row.passed
    wrong = np.abs(session.run({"image": INPUTS})["logits"] - oracle.logits).max(axis=1)
    assert row.worst_input == int(wrong.argmax())
    with pytest.raises(ParityError) as caught:
        raise_if_failed([row])
    assert str(caught.value) == (
        f"student on scripted: must be within {row.budget:.3g} of the trained network on 120 inputs "
        f"(off by {row.max_abs_error:.3g} at input {int(wrong.argmax())}, {row.flips} flipped). {ADVICE}"
    )


def test_two_classes_swapped_are_caught(model_file: Path, oracle: Oracle, tmp_path: Path):
    def swap(weights: dict[str, np.ndarray]) -> None:
        weight = last_layer(weights)
        weight[[0, 1]] = weight[[1, 0]]

    row = through(OnnxRuntime().load(spoiled(model_file, tmp_path, swap), threads=1), oracle)
    assert not row.passed
    assert row.max_abs_error > 1000 * row.budget


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_logit_that_is_not_finite_is_caught(model_file: Path, oracle: Oracle, value: float):
    def break_one(session: Session, inputs: Arrays) -> Answers:
        logits = session.run(inputs)["logits"]
        logits[-1, 2] = value
        return {"logits": logits}

    row = through(ScriptedRuntime(break_one).load(model_file, threads=1), oracle)
    assert not row.passed
    assert row.max_abs_error == np.finfo(np.float64).max
    assert ParityRow.model_validate_json(row.model_dump_json()) == row


def test_a_runtime_that_lies_at_batch_7_alone_is_caught(model_file: Path, oracle: Oracle):
    def lie(session: Session, inputs: Arrays) -> Answers:
        logits = session.run(inputs)["logits"]
        return {"logits": logits + (0.01 if len(logits) == 7 else 0)}

    assert through(ScriptedRuntime().load(model_file, threads=1), oracle).passed
    row = through(ScriptedRuntime(lie).load(model_file, threads=1), oracle)
    assert not row.passed
    assert 6 <= row.worst_input < 13  # after batches of 1, 2 and 3


def test_several_batch_sizes_are_tried(model_file: Path):
    sizes: list[int] = []

    def watch(session: Session, inputs: Arrays) -> Answers:
        sizes.append(len(inputs["image"]))
        return session.run(inputs)

    logits, batches = logits_of(ScriptedRuntime(watch).load(model_file, threads=1), "image", INPUTS)
    assert sizes == [1, 2, 3, 7, 32, 64, 11]
    assert batches == (1, 2, 3, 7, 32)
    assert logits.shape == (120, 5)


def test_a_fixed_batch_is_the_only_one_and_what_it_leaves_over_is_left_out(tmp_path: Path):
    session = OnnxRuntime().load(linear_model(tmp_path / "m.onnx", rows=4), threads=1)
    inputs = np.random.default_rng(0).random((10, 3), np.float32)
    logits, batches = logits_of(session, "x", inputs)
    assert batches == (4,)
    assert logits.shape == (8, 2)
    oracle = onnx_oracle(tmp_path / "m.onnx", inputs)
    assert compare(oracle, logits, model="m", runtime="onnxruntime", batches=batches).inputs == 8


def test_too_few_inputs_for_a_fixed_batch_are_refused(tmp_path: Path):
    session = OnnxRuntime().load(linear_model(tmp_path / "m.onnx", rows=4), threads=1)
    with pytest.raises(DataError) as caught:
        logits_of(session, "x", np.zeros((3, 3), np.float32))
    assert str(caught.value) == "parity: must have 4 inputs for a model of that fixed batch (3)."


def test_logits_of_another_shape_are_refused(oracle: Oracle):
    with pytest.raises(ParityError) as caught:
        compare(oracle, np.zeros((120, 4)), model="student", runtime="openvino", batches=(1,))
    assert str(caught.value) == "student on openvino: must give logits of shape (120, 5) ((120, 4))."


def row_of(exact: list[list[float]], found: list[list[float]], *, noise: float = 0.1) -> ParityRow:
    return compare(Oracle(np.array(exact), noise), np.array(found), model="m", runtime="r", batches=(1,))


def test_a_coin_flip_within_the_error_passes():
    # margin 0.2, error 0.3, budget 8 x 0.1 and a little
    row = row_of([[1.0, 1.2], [5.0, 0.0]], [[1.3, 1.2], [5.0, 0.0]])
    assert (row.agreement, row.flips, row.passed) == (0.5, 0, True)


def test_a_flip_beyond_the_error_fails():
    # both logits are off by 0.3, so a margin of 0.5 flips
    row = row_of([[1.0, 1.5], [5.0, 0.0]], [[1.3, 1.2], [5.0, 0.0]])
    assert row.max_abs_error == pytest.approx(0.3)
    assert (row.agreement, row.flips, row.passed) == (0.5, 1, False)
    with pytest.raises(ParityError) as caught:
        raise_if_failed([row])
    assert str(caught.value) == (
        f"m on r: must be within 0.8 of the trained network on 2 inputs (off by 0.3 at input 0, 1 flipped). {ADVICE}"
    )


def test_an_error_beyond_the_budget_fails_though_nothing_flips():
    row = row_of([[0.0, 10.0]], [[0.9, 10.0]])
    assert (row.agreement, row.flips, row.passed) == (1.0, 0, False)


@given(error=st.floats(0, 2), noise=st.floats(0, 0.2), scale=st.floats(1, 1e6))
def test_the_budget_is_eight_times_the_noise_and_a_millionth_of_the_scale(error: float, noise: float, scale: float):
    row = row_of([[-4 * scale, scale]], [[-4 * scale + error, scale]], noise=noise)
    assert row.budget == pytest.approx(8 * noise + 4e-6 * scale, rel=1e-12)
    assert row.passed == (row.max_abs_error <= row.budget)


def test_the_first_row_that_failed_is_named():
    good, bad = row_of([[0.0, 9.0]], [[0.0, 9.0]]), row_of([[0.0, 9.0]], [[2.0, 9.0]])
    raise_if_failed([good, good])
    with pytest.raises(ParityError, match=r"^second on r: "):
        raise_if_failed([good, bad.model_copy(update={"model": "second"}), bad])


@pytest.mark.parametrize(("precision", "times"), [("fp16", 2**13), ("bf16", 2**16), ("int8", 2**18)])
def test_a_lower_precision_is_allowed_what_its_rounding_costs(oracle: Oracle, precision: str, times: int):
    plain = compare(oracle, oracle.logits, model="student", runtime="scripted", batches=[1])
    row = compare(oracle, oracle.logits, model="student", runtime="scripted", batches=[1], precision=precision)
    assert (row.precision, row.passed) == (precision, True)
    assert row.budget == times * plain.budget


def test_half_precision_is_within_its_row_and_outside_of_the_one_of_fp32(oracle: Oracle):
    halves = copy.deepcopy(NET).half().float()  # the weights as float16 holds them
    with torch.inference_mode():
        logits = halves(torch.from_numpy(INPUTS)).numpy()
    found = [
        compare(oracle, logits, model="student", runtime="scripted", batches=[1], precision=precision).passed
        for precision in ("fp32", "fp16")
    ]
    assert found == [False, True]


def test_a_failure_in_another_precision_names_it(oracle: Oracle):
    row = compare(oracle, -oracle.logits, model="student", runtime="scripted", batches=[1], precision="bf16")
    with pytest.raises(ParityError) as caught:
        raise_if_failed([row])
    assert str(caught.value) == (
        f"student on scripted in bf16: must be within {row.budget:.3g} of the trained network on 120 inputs "
        f"(off by {row.max_abs_error:.3g} at input {row.worst_input}, {row.flips} flipped). {ADVICE}"
    )


def test_int8_may_change_one_answer_in_twenty_and_no_more():
    oracle = Oracle(np.tile([[1.0, 0.0]], (100, 1)), 1e-6)
    flipped = np.tile([[0.4, 0.6]], (100, 1))

    def passed(wrong: int, precision: str) -> bool:
        logits = oracle.logits.copy()
        logits[:wrong] = flipped[:wrong]
        row = compare(oracle, logits, model="student", runtime="scripted", batches=[1], precision=precision)
        assert (row.agreement, row.flips) == (1 - wrong / 100, wrong)
        return row.passed

    assert [passed(wrong, "int8") for wrong in (0, 5, 6)] == [True, True, False]
    assert [passed(wrong, "bf16") for wrong in (0, 1)] == [True, False]


def test_what_int8_failed_is_told_in_its_own_words():
    oracle = Oracle(np.tile([[1.0, 0.0]], (100, 1)), 1e-6)
    logits = oracle.logits[:, ::-1]
    row = compare(oracle, logits, model="student", runtime="scripted", batches=[1], precision="int8")
    with pytest.raises(ParityError) as caught:
        raise_if_failed([row])
    assert str(caught.value) == (
        f"student on scripted in int8: must be within {row.budget:.3g} of the trained network on 100 inputs "
        f"(off by 1 at input 0, 0.0% agree, of at least 95%). {ADVICE}"
    )


def test_thinned_rows_are_spread_evenly():
    assert thinned(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert thinned(np.arange(3), 4).tolist() == [0, 1, 2]
