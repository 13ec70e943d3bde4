from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.runtimes.ort import Ort
from kdeploy.runtimes.protocol import NotOffered, Source


def wide_convolution(folder: Path) -> Path:
    """16 to 32 channels: what ONNX Runtime lays out in blocks of 8 or 16 where the processor has AVX."""
    weight = numpy_helper.from_array(np.ones((32, 16, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 32, 8, 8])],
        [weight],
    )
    path = folder / "wide.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_the_file_is_not_laid_out_for_this_processor(source: Source, folder: Path, tmp_path: Path):
    content = Ort().convert(source._replace(onnx=wide_convolution(tmp_path)), folder, precision="fp32").read_bytes()
    assert content[4:8] == b"ORTM"
    assert b"ReorderInput" not in content  # the node that does it, at the highest level


def test_activations_are_folded_into_what_is_before_them(source: Source, folder: Path):
    assert b"FusedConv" in Ort().convert(source, folder, precision="fp32").read_bytes()


def test_a_lower_precision_is_not_offered(source: Source, folder: Path):
    with pytest.raises(NotOffered) as caught:
        Ort().convert(source, folder, precision="fp16")
    assert caught.value.reason == "ort converts to fp32 only, not to fp16"


def test_what_is_no_model_is_not_converted(source: Source, folder: Path, tmp_path: Path):
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"garbage")
    with pytest.raises(ModelError) as caught:
        Ort().convert(source._replace(onnx=path), folder, precision="fp32")
    assert str(caught.value).startswith(f"{path}: must be a model that ort reads (")
