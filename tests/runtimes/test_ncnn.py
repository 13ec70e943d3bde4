from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.runtimes import ncnn
from kdeploy.runtimes.ncnn import Ncnn
from kdeploy.runtimes.protocol import Refused, Source
from tests.runtimes.conftest import conv_linear_model, idle_model, saved_source
from tests.runtimes.fresh import files_written_at_home

pytestmark = pytest.mark.skipif(Ncnn().missing() is not None, reason=f"ncnn: {Ncnn().missing()}")

RUN = """
import sys, numpy
from pathlib import Path
from kdeploy.runtimes.ncnn import Ncnn
session = Ncnn().load(Path(sys.argv[1]), threads=1)
session.run({"image": numpy.zeros((1, 1, 8, 8), "f4")})
assert "torch" not in sys.modules
"""


def test_nothing_is_written_at_home_and_torch_is_not_needed(source: Source, folder: Path, tmp_path: Path):
    artefact = Ncnn().convert(source, folder, precision="fp32")
    assert files_written_at_home(RUN, artefact, tmp_path / "home") == []


def test_only_what_is_needed_to_run_is_written(source: Source, folder: Path):
    Ncnn().convert(source, folder, precision="fp32")
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "model.param", "model.param.json"]


def test_the_settings_are_read_back(source: Source, folder: Path):
    session = Ncnn().load(Ncnn().convert(source, folder, precision="fp32"), threads=2)
    expected = {"precision": "fp32", "threads": "2", "fixed_batch": "1", "version": Ncnn().version()}
    assert session.settings == expected


def test_weights_stay_in_float32(source: Source, folder: Path):
    """pnnx halves them by default: 4 x 3 x 3 of the convolution, 10 x 64 of the linear layer, and their biases."""
    artefact = Ncnn().convert(source, folder, precision="fp32")
    assert artefact.with_suffix(".bin").stat().st_size >= 4 * (4 * 9 + 4 + 10 * 64 + 10)


def test_a_batch_of_two_is_refused(tmp_path: Path, folder: Path):
    with pytest.raises(Refused) as caught:
        Ncnn().convert(saved_source(conv_linear_model(rows=2), tmp_path), folder, precision="fp32")
    assert caught.value.reason == "ncnn takes one row at a time, and input 'image' has the shape (2, 1, 8, 8)"


def test_whole_numbers_are_refused(tmp_path: Path, folder: Path):
    model = idle_model("Identity")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.INT64
    onnx.save(model, tmp_path / "whole.onnx")
    source = Source(tmp_path / "whole.onnx", None, {"x": np.zeros((1, 4), np.int64)}, None)
    with pytest.raises(Refused) as caught:
        Ncnn().convert(source, folder, precision="fp32")
    assert caught.value.reason == "ncnn takes float32, and input 'x' is int64"


def followed_by(folder: Path, nodes: list[onnx.NodeProto], *shape: int) -> Source:
    """x (rows, *shape) -> nodes -> y (rows, 4)."""
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *shape])]
    ports.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4]))
    constants = [numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    graph = helper.make_graph(nodes, "made", ports[:1], ports[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "m.onnx")
    return Source(folder / "m.onnx", None, {"x": np.ones((2, *shape), np.float32)}, None)


def test_layers_that_ncnn_has_not_are_named(tmp_path: Path, folder: Path):
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["positive"]),
        helper.make_node("Where", ["positive", "x", "zero"], ["y"]),
    ]
    with pytest.raises(Refused) as caught:
        Ncnn().convert(followed_by(tmp_path, nodes, 4), folder, precision="fp32")
    assert caught.value.reason == "ncnn has no layer for torch.gt, torch.where"


def test_a_net_that_answers_with_more_numbers_than_the_graph_is_refused(tmp_path: Path, folder: Path):
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)]
    source = followed_by(tmp_path, nodes, 5, 4)
    model = onnx.load(source.onnx)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axes"))
    onnx.save(model, source.onnx)
    with pytest.raises(Refused) as caught:
        Ncnn().convert(source, folder, precision="fp32")
    assert caught.value.reason == (
        "ncnn does not run what pnnx makes of it: cannot reshape array of size 20 into shape (1,4)"
    )


def test_a_model_that_pnnx_dies_of_is_an_error(tmp_path: Path, folder: Path):
    source = saved_source(idle_model("Identity"), tmp_path)
    with pytest.raises(ModelError) as caught:
        Ncnn().convert(source, folder, precision="fp32")
    assert str(caught.value).startswith(f"{source.onnx}: must be converted by pnnx (exit -")
    assert not list(folder.iterdir())


def test_a_conversion_that_takes_too_long_is_an_error(source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ncnn, "LIMIT_S", 0.0)
    with pytest.raises(ModelError) as caught:
        Ncnn().convert(source, folder, precision="fp32")
    assert str(caught.value) == f"{source.onnx}: must be converted by pnnx within 0 s."


@pytest.mark.parametrize(
    ("file", "said"), [("model.param", "model.param: -1"), ("model.bin", "model.bin: no such file")]
)
def test_a_file_that_is_no_model_is_an_error_of_ours(file: str, said: str, source: Source, folder: Path):
    artefact = Ncnn().convert(source, folder, precision="fp32")
    if file == "model.param":
        artefact.write_text("garbage\n")
    else:
        (folder / file).unlink()
    with pytest.raises(ModelError) as caught:
        Ncnn().load(artefact, threads=1)
    assert str(caught.value) == (
        f"{artefact}: must be a model that ncnn reads ({said}). Check the path, or export the model again."
    )
