from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kdeploy.errors import ModelError, ParityError
from kdeploy.graphs import export
from kdeploy.models import shallow
from kdeploy.system.files import hash_file

STUDENT = {
    "shape": (1, 8, 8),
    "classes": 3,
    "convolutions": [(4, 3, 2)],
    "bottleneck": 5,
    "hidden": [6],
    "mean": (0.4,),
    "std": (0.3,),
}
EXPORT_IN_A_FRESH_PROCESS = """
import sys
from pathlib import Path
from kdeploy.graphs import export
from tests.graphs import test_export as here
export.write(here.net(), Path(sys.argv[1]), input_name="image", shape=(1, 8, 8))
"""


def net() -> nn.Module:
    return shallow.seeded(2, **STUDENT).eval()


def exported(module: nn.Module, path: Path, shape: tuple[int, ...] = (1, 8, 8)) -> onnx.ModelProto:
    export.write(module, path, input_name="image", shape=shape)
    return onnx.load(path)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "m.onnx"
    exported(net(), path)
    return path


def test_the_same_net_is_the_same_bytes_here_and_in_a_fresh_process(model_file: Path, tmp_path: Path):
    here, there = tmp_path / "here.onnx", tmp_path / "there.onnx"
    exported(net(), here)
    command = [sys.executable, "-W", "error", "-c", EXPORT_IN_A_FRESH_PROCESS, str(there)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert hash_file(model_file) == hash_file(here) == hash_file(there)


def test_the_file_is_opset_18_with_its_weights_inside(model_file: Path):
    model = onnx.load(model_file, load_external_data=False)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 18)]
    assert list(model_file.parent.iterdir()) == [model_file]
    assert len(model.graph.initializer) > 0
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_any_batch_goes_in_and_comes_out(model_file: Path):
    graph = onnx.load(model_file).graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["image", "logits"]
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    for batch in (1, 2, 3, 7, 64):
        inputs = torch.rand(batch, 1, 8, 8)
        logits = session.run(None, {"image": inputs.numpy()})[0]
        # sums of 64 products of float32, in another order
        np.testing.assert_allclose(logits, net()(inputs).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_nothing_in_the_file_tells_where_it_was_made(model_file: Path):
    model = onnx.load(model_file)
    assert (model.producer_name, model.producer_version, model.doc_string) == ("kdeploy", "", "")
    assert len(model.metadata_props) == 0
    parts = (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer)
    assert not any(part.metadata_props or part.doc_string for part in parts)
    content = model_file.read_bytes()
    assert not any(word in content for word in (b".py", b"torch", b"site-packages", str(Path.cwd()).encode()))


def test_an_export_says_nothing_and_leaves_the_log_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    log = logging.getLogger("torch.onnx")
    before = log.level
    exported(net(), tmp_path / "m.onnx")
    assert capfd.readouterr().out == ""
    assert log.level == before


def test_exporting_leaves_the_net_alone(tmp_path: Path):
    module = net()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    exported(module, tmp_path / "m.onnx")
    assert not module.training
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())


class Wrong(nn.Module):
    """A dense layer, and something behind it that must not be deployed."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 3)

    def forward(self, batch: Tensor) -> Tensor:
        return self.spoil(self.dense(batch))

    def spoil(self, logits: Tensor) -> Tensor:
        raise NotImplementedError


class Dropping(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return functional.dropout(logits, 0.5, training=True)


class Uniform(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits + torch.rand_like(logits)


class Normal(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits + torch.randn(3)


class Coin(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits * torch.bernoulli(torch.full_like(logits, 0.5))


class FixedInput(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits.reshape(3, 3)


class FixedOutput(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits.sum(0, keepdim=True)


class OneNumber(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        return logits.sum()


@pytest.mark.parametrize(
    ("kind", "operator"),
    [(Dropping, "Dropout"), (Uniform, "RandomUniformLike"), (Normal, "RandomNormalLike"), (Coin, "Bernoulli")],
)
def test_a_random_net_is_refused(tmp_path: Path, kind: type[Wrong], operator: str):
    path = tmp_path / "m.onnx"
    with pytest.raises(ParityError) as caught:
        exported(kind().eval(), path, (4,))
    sentence = str(caught.value)
    name = sentence.split("'")[1]  # torch names its nodes
    assert sentence == f"{path}: must not be random or in training mode (node '{name}' is {operator})."
    assert not path.exists()


@pytest.mark.parametrize(("kind", "name"), [(FixedInput, "image"), (FixedOutput, "logits"), (OneNumber, "logits")])
def test_a_batch_that_is_baked_in_is_refused(tmp_path: Path, kind: type[Wrong], name: str):
    path = tmp_path / "m.onnx"
    with pytest.raises(ParityError) as caught:
        exported(kind().eval(), path, (4,))
    assert str(caught.value) == f"{path}: must have a dynamic batch ({name!r} has a fixed one)."
    assert not path.exists()


def test_dropout_in_evaluation_mode_is_nothing(tmp_path: Path):
    model = exported(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)).eval(), tmp_path / "m.onnx", (4,))
    assert [node.op_type for node in model.graph.node] == ["Gemm"]


def test_one_layer_in_training_mode_is_refused(tmp_path: Path):
    module, path = net(), tmp_path / "m.onnx"
    next(iter(module.children())).train()
    with pytest.raises(ParityError) as caught:
        exported(module, path)
    assert str(caught.value) == f"{path}: must be exported in evaluation mode (layer 'normalise' is in training mode)."


def test_a_whole_net_in_training_mode_is_refused(tmp_path: Path):
    with pytest.raises(ParityError) as caught:
        exported(net().train(), tmp_path / "m.onnx")
    expected = f"{tmp_path / 'm.onnx'}: must be exported in evaluation mode (it is in training mode)."
    assert str(caught.value) == expected


def test_weights_above_the_limit_are_refused(tmp_path: Path):
    path = tmp_path / "m.onnx"
    with torch.device("meta"):  # weights that take no memory
        module = nn.Linear(20_000, 20_200, bias=False).eval()
    with pytest.raises(ModelError) as caught:
        exported(module, path, (20_000,))
    assert str(caught.value) == f"{path}: must have at most 1610612736 bytes of weights (1616000000 bytes)."


class Untraceable(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        raise RuntimeError("no graph of this")


def test_a_net_that_torch_cannot_export_is_refused_with_torchs_reason(tmp_path: Path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError) as caught:
        exported(Untraceable().eval(), path, (4,))
    assert str(caught.value) == f"{path}: must be a network that torch can export (no graph of this)."
    assert not path.exists()


class Leaving(Wrong):
    def spoil(self, logits: Tensor) -> Tensor:
        raise SystemExit("that is all")


def test_a_net_that_leaves_while_torch_looks_at_it_is_refused(tmp_path: Path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError) as caught:
        exported(Leaving().eval(), path, (4,))
    place = f"{__file__}:{Leaving.spoil.__code__.co_firstlineno + 1}"
    assert (
        str(caught.value) == f"{path}: must be a network that torch can export (SystemExit: that is all, in {place})."
    )
