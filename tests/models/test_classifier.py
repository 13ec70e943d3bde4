from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models.classifier import ModuleClassifier, OnnxClassifier
from tests import made

CPU = torch.device("cpu")
WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)


def linear_model(
    path: Path,
    *,
    rows: int | str = "rows",
    kind: int = TensorProto.FLOAT,
    output: list[int | str] | None = None,
    weight_as_input: bool = False,
) -> Path:
    """logits = x @ WEIGHT, with whatever a test wants to be odd."""
    weight = numpy_helper.from_array(WEIGHT.astype(helper.tensor_dtype_to_np_dtype(kind)), "weight")
    inputs = [helper.make_tensor_value_info("x", kind, [rows, 3])]
    if weight_as_input:
        inputs.insert(0, helper.make_tensor_value_info("weight", kind, [3, 2]))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["logits"])],
        "linear",
        inputs,
        [helper.make_tensor_value_info("logits", kind, [rows, 2] if output is None else output)],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_a_module_answers_in_evaluation_mode_and_float32():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3))
    classifier, batch = ModuleClassifier(net, device=CPU, precision="fp32"), torch.rand(5, 1, 2, 2)
    found = classifier.logits(batch)
    assert torch.equal(found, net[2](batch.flatten(1)))
    assert torch.equal(found, classifier.logits(batch))
    assert not found.requires_grad


def test_bf16_rounds_the_arithmetic_but_answers_in_float32():
    net, batch = nn.Linear(64, 8), torch.rand(5, 64)
    exact = ModuleClassifier(net, device=CPU, precision="fp32").logits(batch)
    found = ModuleClassifier(net, device=CPU, precision="bf16").logits(batch)
    assert found.dtype == torch.float32
    assert torch.equal(found, found.bfloat16().float())
    assert not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, rtol=2**-7, atol=2**-7)  # bfloat16 has 8 bits


def test_an_onnx_file_answers_for_any_batch(tmp_path: Path):
    classifier, batch = OnnxClassifier(linear_model(tmp_path / "m.onnx"), threads=1), torch.rand(5, 3)
    torch.testing.assert_close(classifier.logits(batch), batch @ torch.from_numpy(WEIGHT), rtol=1e-6, atol=1e-6)
    assert classifier.logits(batch[:0]).shape == (0, 2)


def test_a_batch_that_is_not_contiguous_is_taken(tmp_path: Path):
    classifier, batch = OnnxClassifier(linear_model(tmp_path / "m.onnx"), threads=1), torch.rand(3, 5).T
    torch.testing.assert_close(classifier.logits(batch), batch @ torch.from_numpy(WEIGHT), rtol=1e-6, atol=1e-6)


def test_a_fixed_batch_is_fed_in_its_own_steps(tmp_path: Path):
    classifier, batch = OnnxClassifier(linear_model(tmp_path / "m.onnx", rows=2), threads=1), torch.rand(6, 3)
    torch.testing.assert_close(classifier.logits(batch), batch @ torch.from_numpy(WEIGHT), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_samples_that_do_not_fill_a_fixed_batch_are_filled_up_and_answered_alone(tmp_path: Path, count: int):
    path, batch = linear_model(tmp_path / "m.onnx", rows=4), torch.rand(count, 3)
    found = OnnxClassifier(path, threads=1).logits(batch)
    torch.testing.assert_close(found, batch @ torch.from_numpy(WEIGHT), rtol=1e-6, atol=1e-6)


def test_a_model_that_takes_float64_is_refused(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx", kind=TensorProto.DOUBLE)
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, threads=1)
    assert (
        str(caught.value) == f"{path}: must take float32 (input 'x' is float64). Export it with an input of that type."
    )


def test_the_features_of_a_module_are_what_its_last_linear_layer_reads():
    first, last, batch = nn.Linear(3, 4), nn.Linear(4, 2), torch.rand(5, 3)
    classifier = ModuleClassifier(nn.Sequential(first, nn.ReLU(), last), device=CPU, precision="fp32")
    found = classifier.logits_and_features(batch)
    with torch.inference_mode():
        features = first(batch).relu()
        expected = torch.cat([last(features), features], 1)
    assert torch.equal(found, expected)
    assert torch.equal(classifier.logits(batch), found[:, :2])


def test_a_module_that_does_not_end_in_a_linear_layer_has_no_features():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())  # ReLU changes nothing where no weight drawn gives a number below 0
    with pytest.raises(ModelError) as caught:
        ModuleClassifier(net, device=CPU, precision="fp32").logits_and_features(torch.rand(5, 3))
    assert str(caught.value) == (
        "Sequential: must end in a linear layer, to have features (its logits come from elsewhere). "
        "Set labels.kind to logits."
    )


def test_the_output_of_a_layer_that_is_named_is_the_features_whatever_comes_behind():
    first, norm = nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(1)
    net = nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 5, 3), norm)
    batch = torch.rand(6, 1, 4, 5)
    found = ModuleClassifier(net, device=CPU, precision="fp32", features="1").logits_and_features(batch)
    with torch.inference_mode():
        expected = torch.cat([net(batch), first(batch).relu().flatten(1)], 1)
    assert found.shape == (6, 3 + 40)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert not net[1]._forward_hooks


@pytest.mark.parametrize(
    ("name", "advice"), [("featuers", "Did you mean 'features'?"), ("~", "The last are: features, logits.")]
)
def test_a_layer_that_is_not_there_is_refused(name: str, advice: str):
    net = nn.Module()
    net.features, net.logits = nn.Linear(3, 4), nn.Linear(4, 2)
    with pytest.raises(ModelError) as caught:
        ModuleClassifier(net, device=CPU, precision="fp32", features=name)
    assert str(caught.value) == f"Module: features must name a layer of it ({name}). {advice}"


class _Pair(nn.Module):
    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return batch, batch


class _Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair, self.unused, self.logits = _Pair(), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.logits(self.pair(batch)[0])


@pytest.mark.parametrize(("name", "kind", "got"), [("pair", "_Pair", "tuple"), ("unused", "ReLU", "it is not called")])
def test_a_layer_that_gives_no_tensor_is_no_features(name: str, kind: str, got: str):
    classifier = ModuleClassifier(_Odd(), device=CPU, precision="fp32", features=name)
    with pytest.raises(ModelError) as caught:
        classifier.logits_and_features(torch.rand(2, 3))
    assert str(caught.value) == f"{kind}: must give a tensor, to be features ({got})."


def test_a_tensor_inside_an_onnx_file_is_its_features(tmp_path: Path):
    path, batch = made.linear(tmp_path / "m.onnx", (4,)), torch.rand(5, 4)
    found = OnnxClassifier(path, threads=1, features="active").logits_and_features(batch)
    assert found.shape == (5, made.CLASSES + 16)
    weights = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[1])
    torch.testing.assert_close(found[:, 3:] @ torch.from_numpy(weights.copy()), found[:, :3], rtol=1e-5, atol=1e-6)
    plain = OnnxClassifier(path, threads=1).logits(batch)
    torch.testing.assert_close(found[:, :3], plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("activ", "Did you mean 'active'?"),
        ("logits", "The last are: flat, hidden, active."),
        ("~", "The last are: flat, hidden, active."),
    ],
)
def test_features_that_no_node_gives_are_refused(tmp_path: Path, name: str, advice: str):
    path = made.linear(tmp_path / "m.onnx", (4,))
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, threads=1, features=name)
    assert str(caught.value) == f"{path}: features must name what a node before the logits gives ({name}). {advice}"


def test_an_onnx_file_that_answers_for_other_rows_than_it_says_is_refused(tmp_path: Path):
    path = linear_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].output[0] = "each"
    model.graph.node.append(helper.make_node("ReduceMean", ["each"], ["logits"], axes=[0], keepdims=1))
    model.opset_import[0].version = 17
    onnx.save(model, path)
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, threads=1, given="m.onnx").logits(torch.rand(5, 3))
    assert str(caught.value) == (
        "m.onnx: must answer with logits, one tensor of floats of shape (batch, classes), for 5 inputs "
        "(float32 of shape (1, 2))."
    )


@pytest.mark.parametrize(("kind", "name"), [(TensorProto.INT64, "int64"), (TensorProto.STRING, "object")])
def test_an_onnx_file_that_answers_with_no_floats_is_refused(tmp_path: Path, kind: int, name: str):
    path = linear_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].output[0] = "floats"
    model.graph.node.append(helper.make_node("Cast", ["floats"], ["logits"], to=kind))
    model.graph.output[0].type.tensor_type.elem_type = kind
    onnx.save(model, path)
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(path, threads=1)
    assert str(caught.value) == (
        f"{path}: must answer with logits, in floats (output 'logits' is {name}). "
        "Export the scores of the classes, not their labels."
    )
