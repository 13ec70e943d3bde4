"""Whatever answers `logits(inputs)` is a teacher: a module, or an ONNX file made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from kdeploy import runtimes
from kdeploy.errors import ModelError


class Classifier(Protocol):
    """Preprocessed inputs in, logits out."""

    def logits(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes) float32, without gradients."""
        ...


class ModuleClassifier:
    """A torch module in evaluation mode, in bfloat16 autocast where that was asked for."""

    def __init__(self, module: nn.Module, *, device: torch.device, precision: str) -> None:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
        self.module = module.to(device).eval()
        self.device, self.precision = device, precision

    @torch.inference_mode()
    def logits(self, batch: Tensor) -> Tensor:
        batch = batch.to(self.device)
        if batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found: Tensor = self.module(batch)
        return found.float().cpu()


class OnnxClassifier:
    """An ONNX file with one input and one output of shape (batch, classes), run by onnxruntime."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self.path, self.signature = path, signature(path)
        self.session = runtimes.find("onnxruntime").load(path, threads=threads)

    def logits(self, batch: Tensor) -> Tensor:
        step = self.signature.batch or len(batch) or 1
        # a batch of a fixed size is filled up with its last sample, whose further answers are left out
        missing = -len(batch) % step
        filled = torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch
        parts = [self._run(filled[start : start + step]) for start in range(0, len(filled), step)]
        return torch.cat(parts)[: len(batch)] if parts else torch.zeros(0, self.signature.classes)

    def _run(self, batch: Tensor) -> Tensor:
        outputs = self.session.run({self.signature.input: batch.contiguous().numpy()})
        return torch.from_numpy(next(iter(outputs.values())).copy()).float()


class Signature(NamedTuple):
    """The one input of a classifier, the batch it is fixed to (None: any), and its number of logits."""

    input: str
    batch: int | None
    classes: int


def signature(path: Path) -> Signature:
    """Read what a classifier in an ONNX file takes and gives.

    Raises: ModelError when it is not ONNX, or does not have one float32 input and one output (batch, classes).
    """
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as exc:
        # the parser raises protobuf's own errors, which share no base class worth naming
        raise ModelError(str(path), "must be an ONNX file", got=str(exc).splitlines()[0]) from exc
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelError(
            str(path),
            "must have one input and one output",
            got=f"{len(inputs)} inputs and {len(graph.output)} outputs",
            advice="Export the classifier's logits alone.",
        )
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ModelError(str(path), "must take float32", got=f"input {inputs[0].name!r} is of another type")
    shape = [dim.dim_value or None for dim in graph.output[0].type.tensor_type.shape.dim]
    if len(shape) != 2 or shape[1] is None:
        raise ModelError(str(path), "must give logits of shape (batch, classes)", got=f"shape {shape}")
    first = inputs[0].type.tensor_type.shape.dim
    return Signature(inputs[0].name, (first[0].dim_value or None) if first else None, shape[1])
