"""Teachers and students by the name that timm, torchvision or Hugging Face transformers give them.

Each builds a network, with the weights it was published with (which needs the network, or the package's cache) or for
as many classes as the data has, and says what it expects of a picture: a size, a mean, a standard deviation. What a
published preprocessing does besides (a crop in the middle, a bicubic filter) is left out: pictures are resized to the
size itself.

Packages are imported when a network of one is wanted for. `again` builds a network from what was kept with its
weights alone.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from kdeploy.errors import MissingError, ModelError

Origin = Literal["timm", "torchvision", "huggingface"]
PACKAGES: dict[Origin, str] = {"timm": "timm", "torchvision": "torchvision.models", "huggingface": "transformers"}
PIXEL = 1 / 255
_NO_CODE = {"trust_remote_code": False}


class LogitsOf(nn.Module):
    """A Hugging Face classifier, whose answer is a record, as a network that answers with logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, channels, height, width) to (batch, classes)."""
        logits: Tensor = self.net(pixel_values=batch).logits
        return logits


def build(origin: Origin, name: str, classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    """A network in evaluation mode, and the arguments that build it `again`.

    Args:
        classes: how many the network is to tell apart, with first weights; None for the published weights and classes.
    Raises: MissingError when the package, or what it would download, is not here; ModelError for an unknown name.
    """
    package = _package(origin)
    try:
        network, arguments = _BUILDERS[origin](package, name, classes)
    except OSError as exc:  # no network: each package has classes of its own, all under this one
        raise _not_here(origin, name, exc) from exc
    except (RuntimeError, ValueError) as exc:
        raise _unknown(origin, name, exc) from exc
    return network.eval(), arguments


class Wanted(NamedTuple):
    """A network that is wanted of a package.

    Args:
        name: as the package has it; of Hugging Face also the type of a config, `vit`, which `arguments` then fill.
        arguments: further ones of the package's own function.
        classes: how many logits it is to have.
        shape: (channels, height, width) of a sample.
        published: with published weights below its logits, or with first weights alone?
    """

    name: str
    arguments: Mapping[str, Any]
    classes: int
    shape: Sequence[int]
    published: bool


def student(origin: Origin, wanted: Wanted) -> nn.Module:
    """A network that is to be trained.

    Raises: as `build`.
    """
    package = _package(origin)
    try:
        network: nn.Module = _STUDENTS[origin](package, wanted)
    except OSError as exc:
        raise _not_here(origin, wanted.name, exc) from exc
    except (RuntimeError, ValueError, TypeError, AttributeError) as exc:
        raise _unknown(origin, wanted.name, exc) from exc
    return network


def again(origin: Origin, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that `build` gave these arguments of, with first weights; nothing is downloaded."""
    package = _package(origin)
    if origin == "huggingface":
        return LogitsOf(_from_config(package, package.AutoConfig.for_model(**arguments["config"]))).eval()
    network, _ = _BUILDERS[origin](package, arguments["name"], arguments["classes"])
    return network.eval()


def expects(origin: Origin, name: str) -> dict[str, Any]:
    """The fields of a `Preprocessing` that the network's publisher asks for.

    Raises: as `build`.
    """
    package = _package(origin)
    try:
        return _EXPECTATIONS[origin](package, name)
    except OSError as exc:
        raise _not_here(origin, name, exc) from exc
    except (RuntimeError, ValueError) as exc:
        raise _unknown(origin, name, exc) from exc


def _package(origin: Origin) -> ModuleType:
    name = PACKAGES[origin]
    try:
        return importlib.import_module(name)
    except Exception as exc:
        # a torchvision that was built for another torch raises RuntimeError when it is imported
        package = name.partition(".")[0]
        advice = f"Install it, built for this torch, with: pip install 'kdeploy[{origin}]'."
        raise MissingError(package, "must be importable", got=_first_line(exc), advice=advice) from exc


def _timm(timm: ModuleType, name: str, classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    network = (
        timm.create_model(name, pretrained=True) if classes is None else timm.create_model(name, num_classes=classes)
    )
    return network, {"name": name, "classes": int(network.num_classes)}


def _torchvision(models: ModuleType, name: str, classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    if classes is not None:
        return models.get_model(name, weights=None, num_classes=classes), {"name": name, "classes": classes}
    published = models.get_model_weights(name).DEFAULT
    arguments = {"name": name, "classes": len(published.meta["categories"])}
    return models.get_model(name, weights=published, progress=False), arguments


def _huggingface(transformers: ModuleType, name: str, classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    # no code of the model's repository runs, and no pickle is read
    if classes is None:
        classifiers = transformers.AutoModelForImageClassification
        network = classifiers.from_pretrained(name, use_safetensors=True, **_NO_CODE)
    else:
        config = transformers.AutoConfig.from_pretrained(name, num_labels=classes, **_NO_CODE)
        network = _from_config(transformers, config)
    return LogitsOf(network), {"config": json.loads(network.config.to_json_string(use_diff=False))}


def _timm_student(timm: ModuleType, wanted: Wanted) -> nn.Module:
    given = {"in_chans": wanted.shape[0], **wanted.arguments}
    network: nn.Module = timm.create_model(
        wanted.name, pretrained=wanted.published, num_classes=wanted.classes, **given
    )
    return network


def _torchvision_student(models: ModuleType, wanted: Wanted) -> nn.Module:
    network: nn.Module = models.get_model(wanted.name, weights=None, num_classes=wanted.classes, **wanted.arguments)
    if wanted.published:
        weights = models.get_model_weights(wanted.name).DEFAULT.get_state_dict(progress=False, check_hash=True)
        own = network.state_dict()
        fitting = {key: value for key, value in weights.items() if key in own and own[key].shape == value.shape}
        network.load_state_dict(fitting, strict=False)  # its last layer is for other classes
    return network


def _huggingface_student(transformers: ModuleType, wanted: Wanted) -> nn.Module:
    arguments = {"num_labels": wanted.classes, "num_channels": wanted.shape[0], **wanted.arguments}
    if wanted.published:
        classifiers = transformers.AutoModelForImageClassification
        options = {"use_safetensors": True, "ignore_mismatched_sizes": True, **_NO_CODE}
        return LogitsOf(classifiers.from_pretrained(wanted.name, **options, **arguments))
    if wanted.name in transformers.CONFIG_MAPPING:
        config = transformers.AutoConfig.for_model(wanted.name, **{"image_size": wanted.shape[1]} | arguments)
    else:
        config = transformers.AutoConfig.from_pretrained(wanted.name, **arguments, **_NO_CODE)
    return LogitsOf(_from_config(transformers, config))


def _from_config(transformers: ModuleType, config: object) -> nn.Module:
    network: nn.Module = transformers.AutoModelForImageClassification.from_config(config, **_NO_CODE)
    return network


def _timm_expects(timm: ModuleType, name: str) -> dict[str, Any]:
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    return _fields(config["input_size"][1:], config["mean"], config["std"])


def _torchvision_expects(models: ModuleType, name: str) -> dict[str, Any]:
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    return _fields(2 * list(transforms.crop_size), transforms.mean, transforms.std)


def _huggingface_expects(transformers: ModuleType, name: str) -> dict[str, Any]:
    mixin = importlib.import_module(f"{transformers.__name__}.image_processing_base").ImageProcessingMixin
    config, _ = mixin.get_image_processor_dict(name)
    size = config.get("crop_size") if config.get("do_center_crop") else config.get("size")
    scale = float(config.get("rescale_factor", PIXEL)) if config.get("do_rescale", True) else 1.0
    plain = not config.get("do_normalize", True)
    mean, std = (None, None) if plain else (config.get("image_mean"), config.get("image_std"))
    return _fields(_side(size), mean, std, scale)


def _side(size: object) -> tuple[int, int] | None:
    """[height, width], however an image processor writes it."""
    if isinstance(size, Mapping):
        shortest = size.get("shortest_edge")
        return (int(size.get("height", shortest)), int(size.get("width", shortest)))
    return (size, size) if isinstance(size, int) else None


def _fields(size: Any, mean: Any, std: Any, scale: float = PIXEL) -> dict[str, Any]:  # noqa: ANN401 - as the packages do
    return {
        "scale": scale,
        "size": None if size is None else (int(size[0]), int(size[1])),
        "mean": None if mean is None else tuple(map(float, mean)),
        "std": None if std is None else tuple(map(float, std)),
    }


def _not_here(origin: Origin, name: str, exc: Exception) -> MissingError:
    advice = "Connect to the network once, or bring a torch: function or an onnx: file."
    return MissingError(
        f"{origin} {name}", "must be in the cache or on the network", got=_first_line(exc), advice=advice
    )


def _unknown(origin: Origin, name: str, exc: Exception) -> ModelError:
    return ModelError(f"{origin} {name}", "must be a classifier that the package knows", got=_first_line(exc))


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0].rstrip(".")


_BUILDERS = {"timm": _timm, "torchvision": _torchvision, "huggingface": _huggingface}
_STUDENTS = {"timm": _timm_student, "torchvision": _torchvision_student, "huggingface": _huggingface_student}
_EXPECTATIONS = {"timm": _timm_expects, "torchvision": _torchvision_expects, "huggingface": _huggingface_expects}
