"""Networks of other packages; what needs a package skips where it is not, or where it was built for another torch."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kdeploy.errors import MissingError, ModelError
from kdeploy.graphs import export
from kdeploy.models import pretrained
from kdeploy.models.pretrained import Origin
from tests import made
from tests.without_operators import name_operators

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages


def _need(origin: Origin) -> Any:
    """The package, or a skip that says why it cannot be used here."""
    name_operators()
    try:
        return importlib.import_module(pretrained.PACKAGES[origin])
    except Exception as exc:
        pytest.skip(f"{origin} cannot be imported: {str(exc).splitlines()[0]}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small vision transformer for 8x8 grey images, as the hub would keep it."""
    transformers = _need("huggingface")
    transformers.AutoModelForImageClassification.from_config(made.vision_transformer()).save_pretrained(tmp_path)
    processor = {"size": {"height": 8, "width": 8}, "image_mean": [0.5], "image_std": [0.25], "rescale_factor": 0.5}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    return tmp_path


def test_a_published_net_of_hugging_face_is_built_again_without_its_page(folder: Path):
    net, arguments = pretrained.build("huggingface", str(folder), None)
    for file in folder.iterdir():
        file.unlink()
    again, batch = pretrained.again("huggingface", json.loads(json.dumps(arguments))), torch.rand(2, 1, 8, 8)
    again.load_state_dict(net.state_dict())
    with torch.inference_mode():
        assert torch.equal(again(batch), net(batch))
        assert net(batch).shape == (2, 3)
    assert not again.training


def test_a_net_of_hugging_face_gets_as_many_classes_as_the_data_has(folder: Path):
    net, _ = pretrained.build("huggingface", str(folder), 7)
    with torch.inference_mode():
        assert net(torch.rand(2, 1, 8, 8)).shape == (2, 7)


def test_a_net_of_hugging_face_can_be_exported(folder: Path, tmp_path: Path):
    net, _ = pretrained.build("huggingface", str(folder), None)
    export.write(net, tmp_path / "net.onnx", input_name="image", shape=(1, 8, 8))
    assert (tmp_path / "net.onnx").is_file()


def test_hugging_face_says_what_a_picture_must_be(folder: Path):
    assert pretrained.expects("huggingface", str(folder)) == {
        "scale": 0.5,
        "size": (8, 8),
        "mean": (0.5,),
        "std": (0.25,),
    }


def test_what_is_not_in_the_cache_needs_the_network():
    _need("huggingface")
    for ask in (
        lambda: pretrained.expects("huggingface", "kdeploy/none"),
        lambda: pretrained.build("huggingface", "a/b", None),
    ):
        with pytest.raises(MissingError) as caught:
            ask()
        assert str(caught.value).endswith(
            "). Connect to the network once, or bring a torch: function or an onnx: file."
        )
        assert caught.value.must == "must be in the cache or on the network"


@pytest.mark.parametrize("origin", ["timm", "torchvision"])
def test_a_net_of_a_package_is_built_again_by_its_name(origin: Origin):
    _need(origin)
    net, arguments = pretrained.build(origin, "resnet18", 3)
    again, batch = pretrained.again(origin, json.loads(json.dumps(arguments))), torch.rand(1, 3, 32, 32)
    again.load_state_dict(net.state_dict())
    with torch.inference_mode():
        assert torch.equal(again(batch), net(batch))
        assert net(batch).shape == (1, 3)


@pytest.mark.parametrize(("origin", "name"), [("timm", "resnet18.a1_in1k"), ("torchvision", "resnet18")])
def test_a_package_says_what_a_picture_must_be(origin: Origin, name: str):
    _need(origin)
    found = pretrained.expects(origin, name)
    assert (found["scale"], found["size"]) == (1 / 255, (224, 224))
    assert (found["mean"], found["std"]) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("origin", "got"), [("timm", "Unknown model (resnt18)"), ("torchvision", "Unknown model resnt18")]
)
def test_a_name_that_a_package_does_not_know_is_an_error(origin: Origin, got: str):
    _need(origin)
    with pytest.raises(ModelError) as caught:
        pretrained.build(origin, "resnt18", 3)
    assert str(caught.value) == f"{origin} resnt18: must be a classifier that the package knows ({got})."


@pytest.mark.parametrize("origin", list(pretrained.PACKAGES))
def test_a_package_that_cannot_be_imported_names_its_extra(origin: Origin, monkeypatch: pytest.MonkeyPatch):
    module = pretrained.PACKAGES[origin]
    package = module.partition(".")[0]
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError) as caught:
        pretrained.build(origin, "resnet18", 3)
    assert str(caught.value) == (
        f"{package}: must be importable ({caught.value.__cause__}). "
        f"Install it, built for this torch, with: pip install 'kdeploy[{origin}]'."
    )


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ({"height": 3, "width": 4}, (3, 4)),
        ({"shortest_edge": 5}, (5, 5)),
        (6, (6, 6)),
        (None, None),
    ],
)
def test_a_size_is_read_however_it_is_written(size: object, side: tuple[int, int] | None):
    assert pretrained._side(size) == side


@pytest.mark.parametrize(("origin", "channels"), [("timm", 1), ("torchvision", 3)])
def test_a_student_of_a_package_has_the_classes_and_the_channels_of_the_data(origin: Origin, channels: int):
    _need(origin)
    wanted = pretrained.Wanted("resnet18", {}, 7, (channels, 32, 32), published=False)
    net = pretrained.student(origin, wanted)
    assert net.training
    assert net(torch.rand(2, channels, 32, 32)).shape == (2, 7)


def test_a_student_of_timm_begins_with_published_weights_below_its_logits(tmp_path: Path):
    timm = _need("timm")
    published = timm.create_model("resnet18", num_classes=5)
    torch.save(published.state_dict(), tmp_path / "weights.pt")
    overlay = {"pretrained_cfg_overlay": {"file": str(tmp_path / "weights.pt"), "num_classes": 5}}
    wanted = pretrained.Wanted("resnet18", overlay, 7, (3, 32, 32), published=True)
    net = pretrained.student("timm", wanted)
    assert torch.equal(net.layer4[1].conv2.weight, published.layer4[1].conv2.weight)
    assert net.fc.weight.shape == (7, 512)


def test_a_student_of_hugging_face_is_built_by_the_type_of_its_config():
    _need("huggingface")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    wanted = pretrained.Wanted("vit", {**sizes, "patch_size": 4}, 7, (1, 8, 8), published=False)
    assert pretrained.student("huggingface", wanted)(torch.rand(2, 1, 8, 8)).shape == (2, 7)


@pytest.mark.parametrize("published", [False, True])
def test_a_student_of_hugging_face_is_built_from_a_folder(folder: Path, published: bool):
    wanted = pretrained.Wanted(str(folder), {}, 7, (1, 8, 8), published=published)
    net = pretrained.student("huggingface", wanted)
    kept, _ = pretrained.build("huggingface", str(folder), None)
    assert net(torch.rand(2, 1, 8, 8)).shape == (2, 7)
    weights = [module.net.vit.embeddings.cls_token for module in (net, kept)]
    assert torch.equal(*weights) == published


@pytest.mark.parametrize("origin", ["timm", "torchvision"])
def test_an_argument_that_a_package_does_not_know_is_an_error(origin: Origin):
    _need(origin)
    with pytest.raises(ModelError) as caught:
        pretrained.student(origin, pretrained.Wanted("resnet18", {"wings": 2}, 7, (3, 32, 32), published=False))
    assert "unexpected keyword argument 'wings'" in str(caught.value)
