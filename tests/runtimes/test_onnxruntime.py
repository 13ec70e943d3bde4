from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.bundles.programs import bundle_core
from kdeploy.errors import ModelError
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.protocol import Source
from tests.runtimes.conftest import conv_linear_model, saved_source
from tests.runtimes.fresh import files_written_at_home

RUN = """
import sys, numpy
from pathlib import Path
from kdeploy.runtimes.onnxruntime import OnnxRuntime
session = OnnxRuntime().load(Path(sys.argv[1]), threads=1)
session.run({"image": numpy.zeros((1, 1, 8, 8), "f4")})
"""


def test_nothing_is_written_at_home(source: Source, tmp_path: Path):
    assert files_written_at_home(RUN, source.onnx, tmp_path / "home") == []


def test_the_settings_are_read_back(source: Source):
    session = OnnxRuntime().load(source.onnx, threads=2)
    assert session.settings == {
        "precision": "fp32",
        "threads": "2",
        "provider": "CPUExecutionProvider",
        "optimization": "all",
        "spinning": "off",
        "version": OnnxRuntime().version(),
    }


def test_a_graph_that_fixes_its_batch_says_so(tmp_path: Path):
    session = OnnxRuntime().load(saved_source(conv_linear_model(rows=2), tmp_path).onnx, threads=1)
    assert session.settings["fixed_batch"] == "2"


def test_bytes_load_as_a_file_does(source: Source):
    from_bytes = OnnxRuntime().load(source.onnx.read_bytes(), threads=1).run(source.example)
    from_file = OnnxRuntime().load(source.onnx, threads=1).run(source.example)
    assert np.array_equal(from_bytes["logits"], from_file["logits"])


def test_bytes_that_are_no_model_are_named_by_their_number():
    with pytest.raises(ModelError) as caught:
        OnnxRuntime().load(b"garbage", threads=1)
    assert caught.value.where == "model of 7 bytes"


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_file_that_is_no_model_is_an_error_of_ours(content: bytes | None, tmp_path: Path):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntime().load(path, threads=1)
    foreign = str(caught.value.__cause__).rstrip(".")
    assert str(caught.value) == (
        f"{path}: must be a model that onnxruntime reads ({foreign}). Check the path, or export the model again."
    )


def test_a_run_that_fails_inside_is_an_error_of_ours(tmp_path: Path):
    """A batch that is declared free and baked in all the same."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2, 3])
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        "baked",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3])],
        [shape],
    )
    path = tmp_path / "baked.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    session = OnnxRuntime().load(path, threads=1)
    assert session.run({"x": np.zeros((2, 3), np.float32)})["y"].shape == (2, 3)
    with pytest.raises(ModelError) as caught:
        session.run({"x": np.zeros((5, 3), np.float32)})
    assert str(caught.value).startswith(f"{path}: must run in onnxruntime (")
    assert caught.value.__cause__ is not None


def complaining(path: Path) -> Path:
    """A model with a tensor that nobody reads, of which a warning is logged, and a Reshape that fails when it runs."""
    shape = numpy_helper.from_array(np.array([-1, 3]), "shape")
    unread = numpy_helper.from_array(np.zeros(3, np.float32), "unread")
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", ["n", 4]), ("y", None))
    ]
    graph = helper.make_graph([helper.make_node("Reshape", ["x", "shape"], ["y"])], "g", *[[port] for port in ports])
    graph.initializer.extend([shape, unread])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_its_log_does_not_reach_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtime, path = OnnxRuntime(), complaining(tmp_path / "model.onnx")
    session = runtime.load(path, threads=1)
    with pytest.raises(ModelError, match="must run in onnxruntime"):
        session.run({"x": np.zeros((1, 4), np.float32)})
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])  # as its quantization opens one
    run, _ = bundle_core.open_model(path.read_bytes(), "model")
    with pytest.raises(Exception, match="Non-zero status code returned while running Reshape"):
        run({"x": np.zeros((1, 4), np.float32)})
    assert capfd.readouterr() == ("", "")
