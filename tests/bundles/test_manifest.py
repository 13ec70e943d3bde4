"""What the manifest says of a model, and the models that no bundle can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from kdeploy.bundles.manifest import bundled_ports, manifest_bytes
from kdeploy.errors import BundleError, ModelError
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import Ports
from tests.bundles.conftest import SPEC, write_model

FLOAT = np.dtype(np.float32)
OTHER = SPEC.model_copy(update={"input": "sound"})


def identity_model(path: Path, inputs: dict[str, tuple[int, list[int | str]]], outputs: list[str]) -> Path:
    """A model of these inputs whose outputs are all its first input."""
    first = next(iter(inputs))
    nodes = [helper.make_node("Identity", [first], [name]) for name in outputs]
    declared = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    answers = [helper.make_tensor_value_info(name, inputs[first][0], inputs[first][1]) for name in outputs]
    onnx.save(helper.make_model(helper.make_graph(nodes, "identity", declared, answers)), path)
    return path


def test_open_lengths_are_null(tmp_path: Path) -> None:
    ports = bundled_ports(write_model(tmp_path / "m.onnx"))
    assert ports == Ports((Port("x", FLOAT, (None, 1, 28, 28)),), (Port("logits", FLOAT, (None, 10)),))


def test_a_fixed_batch_is_read(tmp_path: Path) -> None:
    assert bundled_ports(write_model(tmp_path / "m.onnx", batch=8)).inputs[0].shape[0] == 8


def test_of_several_outputs_the_one_called_logits_is_taken(tmp_path: Path) -> None:
    model = identity_model(tmp_path / "m.onnx", {"x": (TensorProto.UINT8, ["n", 4])}, ["features", "logits"])
    kind = np.dtype(np.uint8)
    assert bundled_ports(model) == Ports((Port("x", kind, (None, 4)),), (Port("logits", kind, (None, 4)),))


def refusal(model: Path) -> str:
    with pytest.raises(ModelError) as caught:
        bundled_ports(model)
    return str(caught.value).removeprefix(str(model))


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx", external=True)
    assert refusal(model) == (
        ": must hold its weights itself (weights in another file). Export it again with external_data=False."
    )


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    assert refusal(tmp_path / "m.onnx") == ": must be an ONNX file (DecodeError)."


def test_another_type_is_refused(tmp_path: Path) -> None:
    model = identity_model(tmp_path / "m.onnx", {"x": (TensorProto.DOUBLE, ["n", 4])}, ["logits"])
    assert refusal(model) == ": input x must be float32 or uint8 (DOUBLE)."


def test_several_outputs_without_logits_are_refused(tmp_path: Path) -> None:
    model = identity_model(tmp_path / "m.onnx", {"x": (TensorProto.FLOAT, ["n", 4])}, ["a", "b"])
    assert refusal(model) == ": must have one output, or one called logits (a, b)."


def test_inputs_of_different_batches_are_refused(tmp_path: Path) -> None:
    inputs: dict[str, tuple[int, list[int | str]]] = {
        "x": (TensorProto.FLOAT, [1, 4]),
        "y": (TensorProto.FLOAT, [2, 4]),
    }
    model = identity_model(tmp_path / "m.onnx", inputs, ["logits"])
    assert refusal(model) == ": must have one batch size for all inputs (2 inputs, {1, 2})."


@pytest.mark.parametrize(
    ("specs", "shape", "message"),
    [
        ([SPEC, OTHER], (None, 1, 28, 28), "model input x: must have a preprocessing of its name (image, sound)."),
        ([], (None, 1, 28, 28), "model input x: must have a preprocessing of its name (none)."),
        (
            [SPEC],
            (None, 3, 28, 28),
            "model input x: must take samples of shape (1, 28, 28), as prepared (shape (None, 3, 28, 28)).",
        ),
        (
            [SPEC],
            (None, 784),
            "model input x: must take samples of shape (1, 28, 28), as prepared (shape (None, 784)).",
        ),
    ],
)
def test_a_model_whose_inputs_are_not_prepared_is_refused(
    specs: list[Preprocessing], shape: tuple[int | None, ...], message: str
) -> None:
    ports = Ports((Port("x", FLOAT, shape),), (Port("logits", FLOAT, (None, 10)),))
    with pytest.raises(BundleError) as caught:
        manifest_bytes(name="m", ports=ports, preprocessing=specs, formats={}, atol=0.1, versions={}, contents={})
    assert str(caught.value) == message
