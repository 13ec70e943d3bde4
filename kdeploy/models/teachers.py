"""Teachers by origin: a built-in one (`model`), an ONNX file, code that builds a module (`torch`), a student (`run`),
or a name of a package (`timm`, `torchvision`, `huggingface`).

Each lives in a folder as one file; from there it becomes a classifier, or the torch module that is exported.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import safetensors
import torch
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models import deep, mlp, pretrained, shallow, whitened
from kdeploy.models.classifier import Classifier, ModuleClassifier, OnnxClassifier
from kdeploy.models.weights import load_weights
from kdeploy.records.teacher import TeacherRecord
from kdeploy.system.user_code import calling, their_traceback


class TeacherSpec(NamedTuple):
    """What a teacher is. `name`: of a built-in model, ONNX file or run, in a package, or `package.module:function`."""

    origin: Literal["model", "onnx", "torch", "run", "timm", "torchvision", "huggingface"]
    name: str

    @property
    def file(self) -> str:
        """The one file of it, in its folder."""
        return "teacher.onnx" if self.origin == "onnx" else "teacher.safetensors"


def spec_of(record: TeacherRecord) -> TeacherSpec:
    """What the record of one teacher says it is; an ensemble has no module or file of its own."""
    if record.origin == "ensemble":
        raise ValueError("an ensemble is its members")
    return TeacherSpec(record.origin, record.name)


def seeded(model: str, seed: int, arguments: dict[str, Any]) -> nn.Module:
    """A built-in teacher with initial weights."""
    match model:
        case "deep-cnn":
            return deep.seeded(seed, **arguments)
        case "mlp":
            return mlp.seeded(seed, **arguments)
        case "whitened-cnn":
            return whitened.seeded(seed, **arguments)
    raise ModelError(model, "must be deep-cnn, whitened-cnn or mlp, the built-in teachers")


def module(folder: Path, spec: TeacherSpec) -> nn.Module:
    """The trained torch module, in evaluation mode; not for an ONNX teacher."""
    assert spec.origin != "onnx"
    path = folder / spec.file
    network: nn.Module
    if spec.origin == "torch":
        network = _build(spec.name)
    else:
        with safetensors.safe_open(path, framework="pt") as stream:
            arguments = json.loads(stream.metadata()["arguments"])
        if spec.origin == "run":
            network = shallow.seeded(0, **arguments)
        elif spec.origin == "model":
            network = seeded(spec.name, 0, arguments)
        else:
            network = pretrained.again(spec.origin, arguments)
    load_weights(network, path)
    return network.eval()


def build_untrained(name: str) -> nn.Module:
    """The network that the user's function builds, with its first weights."""
    return _build(name)


def classifier(
    folder: Path, spec: TeacherSpec, *, device: torch.device, precision: str, features: str | None = None
) -> Classifier:
    """The teacher as a classifier, `logits(batch)`; an ONNX teacher runs on the CPU in float32 whatever is asked for.

    Args:
        features: the tensor of an ONNX teacher that is its features, or the layer of a module; a module without has
            what its last linear layer reads.
    """
    if spec.origin == "onnx":
        return OnnxClassifier(folder / spec.file, threads=torch.get_num_threads(), features=features, given=spec.name)
    given = None if spec.origin in ("model", "run") else spec.name
    return ModuleClassifier(module(folder, spec), device=device, precision=precision, features=features, given=given)


def _build(name: str) -> nn.Module:
    """Import and call `package.module:function`. This runs the user's code; the caller has made sure that it may."""
    with calling(name, "must build a network"):
        network = _function(name)()
        if not isinstance(network, nn.Module):
            raise ModelError(name, "must return a torch.nn.Module", got=type(network).__name__)
        return network.eval()


def _function(name: str) -> Callable[[], object]:
    place, _, function = name.partition(":")
    try:
        found: Callable[[], object] = getattr(importlib.import_module(place), function)
    except (ImportError, AttributeError) as exc:
        if their_traceback(exc):
            raise  # their module is here, and what it does fails
        must, got = "must be an importable package.module:function", str(exc)
        raise ModelError(name, must, got=got, advice="Look at PYTHONPATH.") from exc
    return found
