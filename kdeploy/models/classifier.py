"""Classifiers: whatever answers `logits(inputs)`, a torch module or an ONNX file."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.models.answers import logits_from, must_be_finite
from kdeploy.models.layers import last_linear_call, named_layer, nearest
from kdeploy.models.signature import signature
from kdeploy.runtimes import installed
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system import user_code


class Classifier(Protocol):
    """Preprocessed inputs in, logits out."""

    def logits(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes) float32, without gradients."""
        ...

    def logits_and_features(self, batch: Tensor) -> Tensor:
        """As `logits`, and behind them the features, flattened: (batch, classes + width)."""
        ...


class ModuleClassifier:
    """A torch module in evaluation mode, in bfloat16 autocast where that was asked for.

    Args:
        features: the layer whose output is its features, by its name in the module; None for what the last linear
            layer reads.
        given: its name where it comes from outside, so that what it raises is told as its own fault, and its answers
            are looked at; None for a built-in network.
    Raises: ModelError when there is no such layer.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        device: torch.device,
        precision: str,
        features: str | None = None,
        given: str | None = None,
    ) -> None:
        self.given = given
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
        self.module = module.to(device).eval()
        self.device, self.precision = device, precision
        self.layer = None if features is None else _features(module, features)

    @torch.inference_mode()
    def logits(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes) float32 on the CPU."""
        batch = batch.to(self.device)
        if batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with self._calling(batch), autocast:
            logits: Tensor = self.module(batch)
        if self.given is not None:
            must_be_finite(logits_from(logits, len(batch), self.given), self.given)
        return logits.float().cpu()

    def _calling(self, batch: Tensor) -> AbstractContextManager[None]:
        if self.given is None:
            return nullcontext()
        return user_code.calling(
            self.given,
            f"must take inputs of shape (batch, {', '.join(map(str, batch.shape[1:]))})",
            advice="Set teacher.preprocess, or bring data of the shape that it was trained on.",
        )

    def logits_and_features(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes + width) float32 on the CPU: logits, and behind them the features.

        Raises: ModelError when the logits are not what a linear layer gives, or the features are no tensor.
        """
        return self._with_last_inputs(batch) if self.layer is None else self._with_layer_outputs(batch, self.layer)

    def _with_layer_outputs(self, batch: Tensor, layer: nn.Module) -> Tensor:
        outputs: list[object] = []
        hook = layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
        try:
            logits = self.logits(batch)
        finally:
            hook.remove()
        if not outputs or not isinstance(outputs[-1], Tensor):
            got = type(outputs[-1]).__name__ if outputs else "it is not called"
            raise ModelError(type(layer).__name__, "must give a tensor, to be features", got=got)
        return torch.cat([logits, outputs[-1].float().cpu().flatten(1)], 1)

    def _with_last_inputs(self, batch: Tensor) -> Tensor:
        with last_linear_call(self.module) as calls:
            logits = self.logits(batch)
        if not calls or not torch.equal(calls[0].gave.float().cpu(), logits):
            raise ModelError(
                type(self.module).__name__,
                "must end in a linear layer, to have features",
                got="its logits come from elsewhere",
                advice="Set labels.kind to logits.",
            )
        return torch.cat([logits, calls[0].read.float().cpu().flatten(1)], 1)


def _features(module: nn.Module, name: str) -> nn.Module:
    return named_layer(module, name, type(module).__name__, "features must name a layer of it")


class OnnxClassifier:
    """An ONNX file with one input and one output of shape (batch, classes), run by onnxruntime.

    Args:
        features: the tensor inside the graph that is its features, for `logits_and_features`.
        given: its name for people; None is the file's.
    """

    def __init__(self, path: Path, *, threads: int, features: str | None = None, given: str | None = None) -> None:
        self.path, self.signature, self.given = path, signature(path), given or str(path)
        runtime = installed.find("onnxruntime")
        if features is None:
            self.session = runtime.load(path, threads=threads)
            return
        with scratch_folder(str(path)) as scratch:
            self.session = runtime.load(_with_features(path, self.signature.output, features, scratch), threads=threads)

    def logits(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes) float32."""
        return self._batched(batch)[:, : self.signature.classes]

    def logits_and_features(self, batch: Tensor) -> Tensor:
        """(batch, *shape) float32 to (batch, classes + width) float32; without features the logits alone."""
        return self._batched(batch)

    def _batched(self, batch: Tensor) -> Tensor:
        step = self.signature.batch or len(batch) or 1
        # a batch of a fixed size is filled up with its last sample, whose further answers are left out
        missing = -len(batch) % step
        filled = torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch
        parts = [self._run(filled[start : start + step]) for start in range(0, len(filled), step)]
        return torch.cat(parts)[: len(batch)] if parts else torch.zeros(0, self.signature.classes)

    def _run(self, batch: Tensor) -> Tensor:
        outputs = self.session.run({self.signature.input: batch.contiguous().numpy()})
        logits, *features = map(torch.from_numpy, outputs.values())
        logits = logits.flatten(1) if self.signature.answers.shape[1:] != logits.shape[1:] else logits
        logits_from(logits, len(batch), self.given)
        # copies: a runtime may write its next answer where this one lies
        parts = [value.clone().float().flatten(1) for value in (logits, *features)]
        return must_be_finite(torch.cat(parts, 1), self.given)


def _with_features(path: Path, logits: str, tensor: str, folder: Path) -> Path:
    """A copy of a classifier that also gives a tensor from inside its graph, after the logits."""
    import onnx

    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output if name not in ("", logits)]
    if tensor not in names:
        must = "features must name what a node before the logits gives"
        raise ModelError(str(path), must, got=tensor, advice=nearest(tensor, names))
    model.graph.output.add(name=tensor)
    target = folder / "with-features.onnx"
    onnx.save(model, target)
    return target
