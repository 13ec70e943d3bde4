"""A plain graph answers as the one it was made from, has no node that nobody needs, and logits of two axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.transforms.plain import make_plain, plain_file

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1) / 7


def pooled(*further: onnx.NodeProto) -> onnx.ModelProto:
    """Images (n, 3, 2, 2) to logits (n, 4, 1, 1), and further nodes."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["y"]),
        *further,
    ]
    ports = [helper.make_tensor_value_info(*port) for port in
             (("x", TensorProto.FLOAT, ["n", 3, 2, 2]), ("y", TensorProto.FLOAT, ["n", None, None, None]))]  # fmt: skip
    graph = helper.make_graph(nodes, "pooled", ports[:1], ports[1:], [numpy_helper.from_array(WEIGHT, "w")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("strange", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


DEAD = helper.make_node("Unheard", ["y"], ["label"], domain="strange")


def answers(model: onnx.ModelProto) -> np.ndarray:
    batch = np.random.default_rng(0).random((2, 3, 2, 2), np.float32)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": batch})[0]


def test_a_dead_node_is_left_out_and_ones_behind_the_classes_are_flattened():
    model = pooled(DEAD)
    assert make_plain(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Conv", "GlobalAveragePool", "Flatten"]
    assert [dim.dim_param or dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == ["n", 4]
    assert answers(model).tolist() == answers(pooled())[:, :, 0, 0].tolist()


def test_a_plain_graph_stays_as_it_is():
    model = pooled(DEAD)
    make_plain(model)
    before = model.SerializeToString()
    assert not make_plain(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("external", [True, False])
def test_a_plain_copy_has_its_name_and_its_weights(external: bool, tmp_path: Path):
    (tmp_path / "given").mkdir()
    (folder := tmp_path / "copy").mkdir()
    path = tmp_path / "given" / "net.onnx"
    onnx.save(pooled(DEAD), path, save_as_external_data=external, location="weights", size_threshold=0)
    copy = plain_file(path, folder)
    assert copy == folder / "net.onnx"
    assert answers(onnx.load(copy)).shape == (2, 4)
    assert plain_file(copy, tmp_path) == copy
