from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from kdeploy.errors import ModelError
from kdeploy.graphs.logits import take_logits
from tests import made

INPUTS = np.random.default_rng(0).standard_normal((7, 1, 4, 4)).astype(np.float32)


def ending(folder: Path, *operators: str, axis: int | None = None) -> onnx.ModelProto:
    """A classifier with these operators behind its logits."""
    model = onnx.load(made.linear(folder / "logits.onnx", (1, 4, 4)))
    names = [f"end{number}" for number in range(len(operators))]
    model.graph.node[-1].output[0] = "z"
    for before, operator, name in zip(["z", *names], operators, [*names[:-1], "logits"], strict=False):
        options = {} if axis is None or operator == "Identity" else {"axis": axis}
        model.graph.node.append(helper.make_node(operator, [before], [name], **options))
    return model


def answers(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": INPUTS})
    return np.asarray(found)


@pytest.mark.parametrize(
    ("operators", "axis"),
    [(["Softmax"], -1), (["Softmax"], 1), (["Softmax"], None), (["LogSoftmax"], 1), (["Softmax", "Identity"], -1)],
)
def test_what_goes_into_a_last_softmax_becomes_the_output(tmp_path: Path, operators: list[str], axis: int | None):
    model = ending(tmp_path, *operators, axis=axis)
    logits = answers(onnx.load(tmp_path / "logits.onnx"))
    assert not np.allclose(answers(model), logits)
    assert take_logits(model, "m.onnx") == operators[0]
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(answers(model), logits)


@pytest.mark.parametrize(("operators", "axis"), [(["Identity"], None), (["Relu"], None), (["Softmax"], 0)])
def test_a_graph_that_does_not_end_in_one_over_the_classes_stays(
    tmp_path: Path, operators: list[str], axis: int | None
):
    model = ending(tmp_path, *operators, axis=axis)
    before = model.SerializeToString(deterministic=True)
    assert take_logits(model, "m.onnx") == ""
    assert model.SerializeToString(deterministic=True) == before


def test_a_label_that_nobody_asks_for_is_left_out_with_the_softmax_that_it_reads(tmp_path: Path):
    model = ending(tmp_path, "Softmax", "Identity")
    model.graph.node.append(helper.make_node("ArgMax", ["end0"], ["label"]))
    assert take_logits(model, "m.onnx") == "Softmax"
    assert "ArgMax" not in [node.op_type for node in model.graph.node]


def test_several_labels_at_once_are_refused(tmp_path: Path):
    with pytest.raises(ModelError) as caught:
        take_logits(ending(tmp_path, "Sigmoid"), "m.onnx")
    assert str(caught.value) == (
        "m.onnx: must give logits of classes of which one is right (Sigmoid at the end: several labels at once). "
        "Set outputs to labels; if one is right, export what goes into it."
    )
