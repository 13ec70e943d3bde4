"""An external model: what ships is that model, in one layer or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdeploy.errors import ParityError, ResourceError
from kdeploy.graphs import export
from kdeploy.graphs.inspector.admit import admit
from kdeploy.records.export import ModelExportRecord
from kdeploy.stages.export import external, forms
from kdeploy.stages.export.external import BottleneckForm
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.transforms import fuse_nodes
from tests import made
from tests.transforms.test_fold_batch_norm_nodes import net, norm
from tests.transforms.test_fuse_nodes import graph, node, operators

SHORT = forms.Settings(looks=(1,), blocks=2, block_ns=1_000_000, warm_up_ns=1_000_000, warm_up_calls=1)


def two_pairs(path: Path) -> Path:
    """12 -> 3 -> 30, ReLU, 30 -> 20 -> 5, and in the first pair's place of a bias an Add."""
    draws = np.random.default_rng(0)
    sizes = {"v": (12, 3), "u": (3, 30), "b": (30,), "t": (30, 20), "s": (20, 5)}
    weights = {name: draws.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
    nodes = [
        node("MatMul", ["x", "v"], "a"), node("MatMul", ["a", "u"], "c"), node("Add", ["c", "b"], "d"),
        node("Relu", ["d"], "e"), node("MatMul", ["e", "t"], "f"), node("MatMul", ["f", "s"]),
    ]  # fmt: skip
    onnx.save(graph(nodes, weights, (12,), ("y",)), path)
    return path


def run(folder: Path, path: Path, shape: tuple[int, ...], bottleneck: BottleneckForm) -> ModelExportRecord:
    folder.mkdir(exist_ok=True)
    inputs = np.random.default_rng(0).random((64, *shape), dtype=np.float32)
    return external.run(folder, path, inputs=inputs, bottleneck=bottleneck, target="onnxruntime", progress=Progress())


def test_fuse_ships_one_layer_for_each_pair_with_its_proof(tmp_path: Path):
    source = two_pairs(tmp_path / "net.onnx")
    record = run(tmp_path / "out", source, (12,), "fuse")
    assert (record.bottleneck.shipped, record.bottleneck.reason) == ("fused", "asked for (--bottleneck fuse)")
    assert operators(onnx.load(tmp_path / "out" / "model.onnx")) == ["MatMul", "Add", "Relu", "MatMul"]
    assert [(pair.output, pair.inputs, pair.width, pair.outputs) for pair in record.pairs] == [
        ("d", 12, 3, 30),
        ("y", 30, 20, 5),
    ]
    assert record.bottleneck.width is None
    assert record.source.sha256 == hash_file(source)
    assert record.model.sha256 == hash_file(tmp_path / "out" / "model.onnx")
    assert record.source.multiply_adds == 3 * (12 + 30) + 20 * (30 + 5)
    assert record.model.multiply_adds == 12 * 30 + 30 * 5
    for form in record.forms:
        assert {row.runtime for row in form.parity} == {"reference", "onnxruntime", "openvino"}
        assert all(row.passed for row in form.parity)
    onnx.checker.check_model(onnx.load(tmp_path / "out" / "model.onnx"), full_check=True)
    assert admit(tmp_path / "out" / "model.onnx").operators == {"MatMul": 2, "Add": 1, "Relu": 1}


def test_factored_ships_the_file_that_came(tmp_path: Path):
    source = two_pairs(tmp_path / "net.onnx")
    record = run(tmp_path / "out", source, (12,), "factored")
    assert (record.bottleneck.shipped, record.bottleneck.reason) == ("factored", "asked for (--bottleneck factored)")
    assert record.model.sha256 == record.source.sha256


@pytest.mark.parametrize("bottleneck", ["auto", "fuse", "factored"])
def test_without_a_pair_the_file_ships_as_it_came_and_says_why(bottleneck: BottleneckForm, tmp_path: Path):
    source = made.linear(tmp_path / "net.onnx", (2, 3))
    record = run(tmp_path / "out", source, (2, 3), bottleneck)
    assert (record.bottleneck.shipped, record.bottleneck.reason) == (
        "plain",
        "no two linear layers stand next to each other",
    )
    assert (tmp_path / "out" / "model.onnx").read_bytes() == source.read_bytes()
    assert [form.form for form in record.forms] == ["plain"]
    assert [(fold.name, fold.done, fold.reason) for fold in record.folds] == [
        ("batch norm", False, "the graph has no batch norm"),
        ("bottleneck", False, "no two linear layers stand next to each other"),
    ]


def test_weights_in_a_side_file_go_with_the_model(tmp_path: Path):
    source, side = tmp_path / "net.onnx", "net.onnx.data"
    model = onnx.load(made.linear(source, (2, 3)))
    onnx.save(model, source, save_as_external_data=True, location=side, size_threshold=0)
    run(tmp_path / "out", source, (2, 3), "auto")
    assert (tmp_path / "out" / side).read_bytes() == (tmp_path / side).read_bytes()


def test_batch_norm_is_folded_where_there_is_no_pair(tmp_path: Path):
    nodes = [node("Conv", ["x", "w"], "h"), norm("h", "n"), node("Flatten", ["n"])]
    onnx.save(net(*nodes, shape=(1, 6, 6), width=2, w=(2, 1, 3, 3)), tmp_path / "net.onnx")
    record = run(tmp_path / "out", tmp_path / "net.onnx", (1, 6, 6), "auto")
    assert operators(onnx.load(tmp_path / "out" / "model.onnx")) == ["Conv", "Flatten"]
    assert record.folds[0].reason == "1 of 1 folded into the layers before them"
    assert record.bottleneck.shipped == "plain"


def test_auto_times_both_forms_and_ships_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forms.Settings, "quick", lambda asked: SHORT.model_copy(update={"limits": asked.limits}))
    record = run(tmp_path / "out", two_pairs(tmp_path / "net.onnx"), (12,), "auto")
    assert {form.form: bool(form.latency_ns) for form in record.forms} == {"factored": True, "fused": True}
    assert record.bottleneck.why.startswith("k 3 < break-even 9, k 20 >= break-even 4: ")
    shipped = next(form for form in record.forms if form.form == record.bottleneck.shipped)
    assert shipped.model.sha256 == record.model.sha256


def test_a_pair_that_is_too_large_ships_as_it_came_unless_fuse_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fuse_nodes.fuse_nodes, "__defaults__", (500,))
    source = two_pairs(tmp_path / "net.onnx")
    found = run(tmp_path / "out", source, (12,), "auto")
    assert (found.bottleneck.shipped, found.model.sha256) == ("factored", found.source.sha256)
    assert found.bottleneck.reason == "the fused weights would take 600 bytes, more than 500"
    with pytest.raises(ResourceError) as caught:
        run(tmp_path / "more", source, (12,), "fuse")
    assert str(caught.value) == (
        "--bottleneck: cannot be fuse (the fused weights would take 600 bytes, more than 500). Ship the factored form."
    )


def test_a_file_too_large_to_be_written_again_ships_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "LIMIT_BYTES", 1000)
    found = run(tmp_path / "out", two_pairs(tmp_path / "net.onnx"), (12,), "auto")
    assert found.model.sha256 == found.source.sha256
    assert found.bottleneck.reason.endswith(" bytes, and a file that is rewritten holds at most 1000")


def test_a_file_that_is_not_the_model_does_not_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def spoiled(model: onnx.ModelProto) -> fuse_nodes.GraphOutcome:
        outcome = fuse_nodes.fuse_nodes(model)
        weight = next(tensor for tensor in outcome.model.graph.initializer if tensor.name == "d.weight")
        values = numpy_helper.to_array(weight).copy()
        values[0, 1] *= 1.01  # of a hidden unit that some inputs make positive
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        return outcome

    monkeypatch.setattr(external, "fuse_nodes", spoiled)
    with pytest.raises(ParityError, match=r"^model\.fused on reference: must be within "):
        run(tmp_path / "out", two_pairs(tmp_path / "net.onnx"), (12,), "fuse")
