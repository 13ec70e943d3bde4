"""Teachers by origin: a built-in one (`model`), an ONNX file, code that builds a module (`torch`), a student (`run`),
or a name of a package (`timm`, `torchvision`, `huggingface`).

Each lives in a folder as one file; from there it becomes a classifier, or the torch module that is exported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import safetensors
import torch
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models import deep, mlp, pretrained, students, user_network, whitened
from kdeploy.models.classifier import Classifier, ModuleClassifier, OnnxClassifier
from kdeploy.models.weights import load_weights
from kdeploy.records.distill import StudentNetwork
from kdeploy.records.teacher import TeacherRecord


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
    if spec.origin == "run":
        return students.load(path, StudentNetwork.model_validate(_arguments(path)))
    network: nn.Module
    if spec.origin == "torch":
        network = user_network.build(spec.name, {})
    elif spec.origin == "model":
        network = seeded(spec.name, 0, _arguments(path))
    else:
        network = pretrained.again(spec.origin, _arguments(path))
    load_weights(network, path)
    return network.eval()


def _arguments(path: Path) -> dict[str, Any]:
    """What builds the network again, as it was kept with its weights."""
    with safetensors.safe_open(path, framework="pt") as stream:
        arguments: dict[str, Any] = json.loads(stream.metadata()["arguments"])
    return arguments


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
