from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from kdeploy import runtimes
from kdeploy.errors import ModelError
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes.protocol import Source
from kdeploy.samples.preprocessing_numpy import apply_numpy
from kdeploy.transforms.preprocess import as_given, prepend

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
    found = runtimes.find(runtime)
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
    # values up to 262, of which float32 keeps seven digits: four roundings of 1.5e-5
    np.testing.assert_allclose(found, apply_numpy(spec, samples).reshape(2, -1), rtol=0, atol=6e-5)


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
