"""What a classifier reads and answers; what is no classifier is refused with a whole sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from kdeploy.errors import ModelError
from kdeploy.models.signature import Signature, signature, signature_of
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import Ports, of_graph
from tests.models.test_classifier import linear_model
from tests.runtimes.conftest import conv_linear_model, two_input_model

FLOAT = np.dtype(np.float32)


def test_the_signature_is_read_from_the_graph(tmp_path: Path):
    found = signature(linear_model(tmp_path / "any.onnx"))
    assert found == Signature(Port("x", FLOAT, (None, 3)), Port("logits", FLOAT, (None, 2)))
    assert (found.input, found.output, found.batch, found.shape, found.classes) == ("x", "logits", None, (3,), 2)
    assert signature(linear_model(tmp_path / "four.onnx", rows=4)).batch == 4


def test_lengths_of_a_sample_that_are_free_or_zero_are_unknown():
    found = Signature(Port("x", FLOAT, (0, None, 3, 0)), Port("logits", FLOAT, (None, 2)))
    assert (found.batch, found.shape) == (None, (None, 3, None))
    assert (found._replace(reads=Port("x", FLOAT, ())).batch, found.shape) == (None, (None, 3, None))


def test_weights_that_older_files_list_as_inputs_are_none(tmp_path: Path):
    assert signature(linear_model(tmp_path / "m.onnx", weight_as_input=True)).input == "x"


@pytest.mark.parametrize(
    ("model", "got"), [(two_input_model, "2 inputs and 1 outputs"), (conv_linear_model, "1 inputs and 2 outputs")]
)
def test_a_model_with_more_than_one_input_or_output_is_refused(tmp_path: Path, model: object, got: str):
    path = tmp_path / "m.onnx"
    onnx.save(model(), path)  # type: ignore[operator]
    with pytest.raises(ModelError) as caught:
        signature(path)
    assert str(caught.value) == (
        f"{path}: must have one input and one output ({got}). Export the classifier's logits alone."
    )


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\xff" * 9)
    with pytest.raises(ModelError) as caught:
        signature(path)
    # the words in brackets are protobuf's, and differ between its versions
    assert str(caught.value) == f"{path}: must be an ONNX file ({caught.value.__cause__})."
    assert "pars" in str(caught.value.__cause__)


def test_an_absent_file_is_refused(tmp_path: Path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError) as caught:
        signature(path)
    assert str(caught.value) == f"{path}: must be an ONNX file ([Errno 2] No such file or directory: '{path}')."


@pytest.mark.parametrize("output", [["rows"], ["rows", "classes"], ["rows", -1], [-1, -1]])
def test_a_number_of_classes_that_is_left_open_is_inferred(tmp_path: Path, output: list[int | str]):
    assert signature(linear_model(tmp_path / "m.onnx", output=output)).classes == 2


def test_lengths_of_1_behind_the_classes_are_none(tmp_path: Path):
    found = signature(linear_model(tmp_path / "m.onnx", output=["rows", 2, 1, 1]))
    assert (found.classes, found.answers.shape) == (2, (None, 2))


PLACES = "A network that answers for places or steps is no classifier; pool or flatten its answer to one row."


@pytest.mark.parametrize(
    ("shape", "got", "advice"),
    [
        ((None,), "(free)", "If it gives a score a row, export that with the shape (batch, 1)."),
        ((None, None), "(free, free)", "Export it with a fixed number of classes; only the batch may be free."),
        ((3, 2, 4), "(3, 2, 4)", PLACES),
        ((None, 2, None), "(free, 2, free)", PLACES),
    ],
)
def test_outputs_that_are_no_logits_are_refused(shape: tuple[int | None, ...], got: str, advice: str):
    ports = Ports((Port("x", FLOAT, (None, 3)),), (Port("y", FLOAT, shape),))
    with pytest.raises(ModelError) as caught:
        signature_of(ports, "m.onnx")
    assert str(caught.value) == f"m.onnx: must give logits of shape (batch, classes) (shape {got}). {advice}"


@pytest.mark.parametrize(("kind", "name"), [(onnx.TensorProto.BFLOAT16, "bfloat16"), (onnx.TensorProto.BOOL, "bool")])
def test_a_type_that_is_refused_is_named(tmp_path: Path, kind: int, name: str):
    path = linear_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = kind
    with pytest.raises(ModelError) as caught:
        signature_of(of_graph(model), "m.onnx")
    assert str(caught.value) == (
        f"m.onnx: must take float32 (input 'x' is {name}). Export it with an input of that type."
    )


def test_a_batch_of_nothing_is_refused(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx", rows=0, output=["rows", 2])
    with pytest.raises(ModelError) as caught:
        signature(path)
    assert str(caught.value) == (
        f"{path}: must take at least 1 row (input 'x' of shape (0, 3)). Export it with a dynamic batch."
    )
