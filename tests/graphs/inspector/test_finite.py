"""NaN and infinity among the numbers of a model: in its weights, constants, attributes and side files."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import NonFiniteError
from kdeploy.graphs.inspector.contents import inspect_contents
from kdeploy.graphs.inspector.finite import ADVICE, check_finite
from kdeploy.graphs.inspector.record import InspectionLimits
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import WEIGHT, good, model, node, unary, value

TYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
    TensorProto.BFLOAT16: ml_dtypes.bfloat16,
    TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    TensorProto.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
}


def refusal(found: onnx.ModelProto, folder: Path) -> str:
    path = hostile.write(found, folder / "model.onnx")
    with pytest.raises(NonFiniteError) as caught:
        inspect_contents(path, InspectionLimits())
    assert caught.value.exit_code == 5
    return str(caught.value).removeprefix(f"{path}: ").removesuffix(f" {ADVICE}")


def spoiled(*places: int, number: float = np.nan) -> np.ndarray:
    weight = WEIGHT.copy()
    weight.reshape(-1)[list(places)] = number
    return weight


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_refused_and_counted(number: float, tmp_path: Path) -> None:
    found = good(tensors=[numpy_helper.from_array(spoiled(1, 4, number=number), "w")])
    expected = "stored tensor 'w' must hold finite numbers (2 of 6 are NaN or infinite)."
    assert refusal(found, tmp_path) == expected


def test_data_in_a_typed_field_are_looked_at_too(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2], float_data=spoiled(0).reshape(-1))
    expected = "stored tensor 'w' must hold finite numbers (1 of 6 are NaN or infinite)."
    assert refusal(good(tensors=[tensor]), tmp_path) == expected


@pytest.mark.parametrize("kind", TYPES, ids=[TensorProto.DataType.Name(kind) for kind in TYPES])
def test_every_type_of_float_is_looked_at(kind: int, tmp_path: Path) -> None:
    values = np.array([1, np.nan, 2, np.nan], np.float32).astype(TYPES[kind])
    tensor = TensorProto(name="w", data_type=kind, dims=[4], raw_data=values.tobytes())
    with pytest.raises(NonFiniteError) as caught:
        check_finite(onnx.GraphProto(initializer=[tensor]), tmp_path, "model")
    assert caught.value.got == "2 of 4 are NaN or infinite"
    tensor.raw_data = np.ones(4, np.float32).astype(TYPES[kind]).tobytes()
    check_finite(onnx.GraphProto(initializer=[tensor]), tmp_path, "model")


def test_the_bits_of_an_infinity_are_fine_in_whole_numbers(tmp_path: Path) -> None:
    ports = [value("x", [3, 2], TensorProto.INT32)], [value("y", [3, 2], TensorProto.INT32)]
    tensor = numpy_helper.from_array(spoiled(0, number=np.inf).view(np.int32), "w")
    found = model([node("Add", ["x", "w"], "y")], inputs=ports[0], outputs=ports[1], tensors=[tensor])
    assert inspect_contents(hostile.write(found, tmp_path / "model.onnx"), InspectionLimits()).weights_bytes == 24


def test_a_constant_is_looked_at(tmp_path: Path) -> None:
    constant = node("Constant", [], "w", value=numpy_helper.from_array(spoiled(0), "w"))
    found = model([constant, node("MatMul", ["x", "w"], "y")])
    expected = "node 'constant' (Constant) has 'value', which must hold finite numbers (1 of 6 are NaN or infinite)."
    assert refusal(found, tmp_path) == expected


@pytest.mark.parametrize(("key", "held"), [("value_float", np.inf), ("value_floats", [1.0, np.nan, np.nan])])
def test_a_constant_of_floats_is_looked_at(key: str, held: object, tmp_path: Path) -> None:
    nodes = [node("Constant", [], "w", **{key: held}), node("Mul", ["x", "w"], "y")]
    count = "1 of 1" if key == "value_float" else "2 of 3"
    found = model(nodes, outputs=[value("y", ["rows", 3])])
    assert refusal(found, tmp_path) == (
        f"node 'constant' (Constant) has '{key}', which must hold finite numbers ({count} are NaN or infinite)."
    )


def test_an_attribute_is_looked_at(tmp_path: Path) -> None:
    expected = "node 'leakyrelu' (LeakyRelu) has 'alpha', which must hold finite numbers (1 of 1 are NaN or infinite)."
    assert refusal(unary("LeakyRelu", alpha=np.nan), tmp_path) == expected


def test_a_side_file_is_looked_at_where_the_tensor_lies(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"junk" + spoiled(5).tobytes())
    found = hostile.external("weights", offset="4", length="24")
    assert refusal(found, tmp_path) == "stored tensor 'w' must hold finite numbers (1 of 6 are NaN or infinite)."
    (tmp_path / "weights").write_bytes(np.float32(np.nan).tobytes() + WEIGHT.tobytes())
    assert inspect_contents(hostile.write(found, tmp_path / "model.onnx"), InspectionLimits()).weights_bytes == 24


def masked(*after: onnx.NodeProto, mask: float = -np.inf, operator: str = "Add") -> onnx.ModelProto:
    """y = Softmax(x + mask), the mask -inf where the sample is not to be looked at."""
    tensor = numpy_helper.from_array(np.array([0, mask, 0], np.float32), "mask")
    nodes = [node(operator, ["x", "mask"], "scores"), node("Softmax", ["scores"], "y"), *after]
    return model(nodes, outputs=[value("y", ["rows", 3])], tensors=[tensor])


def moved(*, end: str = "Softmax") -> onnx.ModelProto:
    """y = end(x + mask), the mask cut out of a larger one and repeated, as exporters write that of causal attention."""
    tensors = [
        numpy_helper.from_array(np.array([[0, -np.inf, 0]], np.float32), "mask"),
        *(numpy_helper.from_array(np.array(numbers), name) for name, numbers in MOVED.items()),
    ]
    nodes = [
        node("Slice", ["mask", "from", "to"], "cut"),
        node("Expand", ["cut", "shape"], "repeated"),
        helper.make_node("Add", ["x", "repeated"], ["scores"], name="first"),
        helper.make_node("Add", ["scores", "x"], ["more"], name="second"),
        node(end, ["more"], "y"),
    ]
    return model(nodes, outputs=[value("y", ["rows", 3])], tensors=tensors)


MOVED = {"from": [0, 0], "to": [1, 3], "shape": [1, 3]}

BOUNDS = {
    "a mask that is cut and repeated on the way": moved(),
    "a mask in front of a softmax": masked(),
    "a maximum": masked(operator="Max"),
    "an attribute": unary("Clip", min=-np.inf, max=np.inf),
}


@pytest.mark.parametrize("found", BOUNDS.values(), ids=BOUNDS)
def test_an_infinity_that_bounds_or_masks_is_fine(found: onnx.ModelProto, tmp_path: Path) -> None:
    graph = found.graph
    check_finite(graph, tmp_path, "model")


def test_a_constant_that_bounds_is_fine(tmp_path: Path) -> None:
    nodes = [node("Constant", [], "low", value_float=-np.inf), node("Max", ["x", "low"], "y")]
    found = model(nodes, outputs=[value("y", ["rows", 3])])
    assert inspect_contents(hostile.write(found, tmp_path / "model.onnx"), InspectionLimits()).opset == 18


NO_BOUNDS = {
    "a mask that leads to no softmax": moved(end="Relu"),
    "NaN in a mask": masked(mask=np.nan),
    "a mask that is added elsewhere too": masked(node("Add", ["x", "mask"], "other")),
    "a factor": masked(operator="Mul"),
}


@pytest.mark.parametrize("found", NO_BOUNDS.values(), ids=NO_BOUNDS)
def test_other_infinities_are_refused(found: onnx.ModelProto, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError) as caught:
        check_finite(found.graph, tmp_path, "model")
    assert str(caught.value) == (
        f"model: stored tensor 'mask' must hold finite numbers (1 of 3 are NaN or infinite). {ADVICE}"
    )
