from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import ModelError, ParityError
from kdeploy.evaluation.raw_input import compare
from kdeploy.graphs import export
from kdeploy.models import shallow
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.module_truth import module_oracle
from kdeploy.parity.oracle import Oracle
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.samples.preprocessing_numpy import apply_numpy
from kdeploy.transforms.preprocess import PREFIX, as_given, prepend

COLOURED = Preprocessing(
    input="image",
    kind="image",
    shape=(3, 6, 8),
    dtype="uint8",
    scale=1 / 255,
    size=(5, 11),
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.4),
)
SOUND = Preprocessing(
    input="sound", kind="array", shape=(2, 9), dtype="float32", scale=2.0, mean=(0.1, -0.2), std=(3.0, 0.5)
)
RUNTIMES = ["reference", "onnxruntime", "openvino"]


def pass_through(path: Path, spec: Preprocessing) -> Path:
    """A model that gives what it is given, so that what comes out is what was prepared."""
    shape = ["batch", *spec.model_shape]
    graph = helper.make_graph(
        [helper.make_node("Flatten", [spec.input], ["logits"])],
        "given",
        [helper.make_tensor_value_info(spec.input, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", int(np.prod(spec.model_shape))])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def answers(path: Path, folder: Path, runtime: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    found = installed.find(runtime)
    (folder / runtime).mkdir(exist_ok=True)
    session = found.load(found.convert(Source(path, None, inputs, None), folder / runtime, precision="fp32"), threads=1)
    answer = session.run(inputs)["logits"]
    session.close()
    return answer


def canonical(spec: Preprocessing, count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    if spec.dtype == "uint8":
        return random.integers(0, 256, (count, *spec.shape), dtype=np.uint8)
    return random.standard_normal((count, *spec.shape), dtype=np.float32)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("spec", "layout"), [(COLOURED, "nchw"), (COLOURED, "nhwc"), (SOUND, "nchw")])
def test_the_nodes_compute_what_the_numpy_reference_does(
    tmp_path: Path, runtime: str, spec: Preprocessing, layout: str
):
    path, samples = tmp_path / "raw.onnx", canonical(spec, 5)
    prepend(pass_through(tmp_path / "model.onnx", spec), path, spec, layout)
    found = answers(path, tmp_path, runtime, {spec.input: as_given(samples, layout)})
    # float32 in another order of operations: the interpolation of a value below 1, divided by a std of at least 0.2
    np.testing.assert_allclose(found, apply_numpy(spec, samples).reshape(5, -1), rtol=0, atol=5e-6)


@settings(deadline=None, max_examples=40)
@given(
    size=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 7), st.integers(1, 7)),
    scale=st.sampled_from([1.0, 1 / 255]),
    data=st.data(),
)
def test_any_image_of_any_size_is_prepared_alike(tmp_path_factory, size, shape, scale, data):
    folder = tmp_path_factory.mktemp("raw")
    spec = Preprocessing(
        input="x", kind="image", shape=shape, dtype="uint8", scale=scale, size=size, mean=(7.0,) * shape[0]
    )
    samples = data.draw(arrays.arrays(np.uint8, (2, *shape)))
    prepend(pass_through(folder / "model.onnx", spec), folder / "raw.onnx", spec, "nchw")
    found = answers(folder / "raw.onnx", folder, "onnxruntime", {"x": samples})
    # a place beyond pixel 4 is rounded to 4.8e-7 in float32, and so is its weight: over two axes of bytes 2.4e-4
    np.testing.assert_allclose(found, apply_numpy(spec, samples).reshape(2, -1), rtol=0, atol=3e-4)


def test_the_graph_takes_bytes_and_has_a_node_a_step(tmp_path: Path):
    path = tmp_path / "raw.onnx"
    prepend(pass_through(tmp_path / "model.onnx", COLOURED), path, COLOURED, "nhwc")
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node] == [
        "Transpose", "Cast", "Mul", "Resize", "Sub", "Div", "Flatten",
    ]  # fmt: skip
    (given_to,) = graph.input
    assert given_to.name == "image"
    assert given_to.type.tensor_type.elem_type == TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in given_to.type.tensor_type.shape.dim] == ["batch", 6, 8, 3]


def test_steps_that_the_spec_has_not_are_left_out(tmp_path: Path):
    plain = Preprocessing(input="sound", kind="array", shape=(4,), dtype="float32")
    path = tmp_path / "raw.onnx"
    prepend(pass_through(tmp_path / "model.onnx", plain), path, plain, "nchw")
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Flatten"]


def test_channels_last_is_refused_for_an_array(tmp_path: Path):
    with pytest.raises(ModelError) as caught:
        prepend(pass_through(tmp_path / "model.onnx", SOUND), tmp_path / "raw.onnx", SOUND, "nhwc")
    assert str(caught.value) == (
        "export.layout: must be nchw for an input that is an array (nhwc). "
        "Remove it: only images have channels to move."
    )
    assert not (tmp_path / "raw.onnx").exists()


def tiny_student(folder: Path) -> tuple[Path, Preprocessing, np.ndarray, Oracle]:
    """A student, its preprocessing, samples, and what it says about them."""
    spec, samples = COLOURED.model_copy(update={"size": None}), canonical(COLOURED, 80)
    sizes = {"convolutions": [(4, 3, 2)], "bottleneck": 6, "hidden": [16], "mean": (0.0,) * 3, "std": (1.0,) * 3}
    net = shallow.seeded(1, shape=spec.shape, classes=5, **sizes).eval()
    export.write(net, folder / "student.onnx", input_name="image", shape=spec.shape)
    return folder / "student.onnx", spec, samples, module_oracle(net, apply_numpy(spec, samples))


def test_raw_input_to_logits_passes_as_the_student_does(tmp_path: Path):
    student, spec, samples, oracle = tiny_student(tmp_path)
    prepend(student, tmp_path / "raw.onnx", spec, "nhwc")
    rows = compare(tmp_path / "raw.onnx", samples, "nhwc", oracle, RUNTIMES)
    assert [(row.runtime, row.inputs, row.passed) for row in rows] == [
        ("reference", 64, True),
        ("onnxruntime", 80, True),
        ("openvino", 80, True),
    ]


@pytest.mark.parametrize(
    ("step", "factor"), [("sub", 1.01), ("div", 1.01), ("mul", 1.01)], ids=["a wrong mean", "a wrong std", "a scale"]
)
def test_a_wrong_constant_is_caught_and_the_message_names_the_preprocessing(tmp_path: Path, step: str, factor: float):
    student, spec, samples, oracle = tiny_student(tmp_path)
    path = tmp_path / "raw.onnx"
    prepend(student, path, spec, "nchw")
    model = onnx.load(path)
    wrong = next(tensor for tensor in model.graph.initializer if tensor.name == f"{PREFIX}{step}-constant")
    wrong.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(wrong) * np.float32(factor), wrong.name))
    onnx.save(model, path)
    rows = compare(path, samples, "nchw", oracle, ["onnxruntime"])
    with pytest.raises(ParityError, match=r"^student with its preprocessing on onnxruntime: must be within "):
        raise_if_failed(rows)


def test_channels_in_the_other_order_are_caught(tmp_path: Path):
    student, spec, samples, oracle = tiny_student(tmp_path)
    prepend(student, tmp_path / "raw.onnx", spec, "nchw")
    (row,) = compare(tmp_path / "raw.onnx", samples[:, ::-1], "nchw", oracle, ["onnxruntime"])
    assert not row.passed
