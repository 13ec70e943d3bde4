from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.runtimes.onnxfile import copy_model, float_precision
from kdeploy.runtimes.protocol import Refused
from tests.runtimes.conftest import conv_linear_model


def test_a_copy_has_the_same_bytes(tmp_path: Path, folder: Path):
    origin = tmp_path / "student.onnx"
    onnx.save(conv_linear_model(), origin)
    copy = copy_model(origin, folder, runtime="reference")
    assert copy == folder / "model.onnx"
    assert copy.read_bytes() == origin.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


def test_a_copy_takes_the_side_files_along(tmp_path: Path, folder: Path):
    origin = tmp_path / "student.onnx"
    onnx.save(conv_linear_model(), origin, save_as_external_data=True, location="weights.bin", size_threshold=0)
    copy = copy_model(origin, folder, runtime="reference")
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "weights.bin"]
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(copy).graph.initializer}
    for wanted in conv_linear_model().graph.initializer:
        assert np.array_equal(tensors[wanted.name], numpy_helper.to_array(wanted))


def test_a_side_file_elsewhere_is_refused_and_nothing_is_copied(tmp_path: Path, folder: Path):
    model = conv_linear_model()
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], location="../secret.bin")
    origin = tmp_path / "student.onnx"
    origin.write_bytes(model.SerializeToString())
    with pytest.raises(Refused) as caught:
        copy_model(origin, folder, runtime="reference")
    assert caught.value.reason == "the weights of student.onnx must lie beside it, not in ../secret.bin"
    assert not list(folder.iterdir())


def test_a_model_that_is_already_in_place_stays(folder: Path):
    origin = folder / "model.onnx"
    onnx.save(conv_linear_model(), origin)
    before = origin.read_bytes()
    assert copy_model(origin, folder, runtime="reference") == origin
    assert origin.read_bytes() == before


def test_what_is_not_onnx_is_not_copied(tmp_path: Path, folder: Path):
    origin = tmp_path / "notes.onnx"
    origin.write_text("garbage")
    with pytest.raises(ModelError) as caught:
        copy_model(origin, folder, runtime="onnxruntime")
    assert str(caught.value) == (
        f"{origin}: must be a model that onnxruntime reads ({caught.value.__cause__}). "
        "Check the path, or export the model again."
    )


@pytest.mark.parametrize(
    ("kinds", "settings"),
    [
        ([TensorProto.FLOAT], {"precision": "fp32"}),
        ([TensorProto.DOUBLE, TensorProto.INT64], {"precision": "fp64"}),
        ([TensorProto.FLOAT, TensorProto.FLOAT16], {}),
        ([TensorProto.INT64], {}),
    ],
)
def test_the_precision_is_said_when_all_floats_have_it(kinds, settings):
    outputs = [helper.make_tensor_value_info(f"y{index}", kind, [1]) for index, kind in enumerate(kinds)]
    assert float_precision(helper.make_model(helper.make_graph([], "g", [], outputs))) == settings
