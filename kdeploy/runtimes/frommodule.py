"""What the runtimes have in common that convert the torch module itself, and not the ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Refused, Source

if TYPE_CHECKING:
    from torch import Tensor, nn


def module_of(source: Source, *, runtime: str) -> nn.Module:
    """Raises: Refused for a model that came as ONNX."""
    if source.module is None:
        raise Refused(f"{runtime} is made of a torch module, and this model came as ONNX")
    return source.module().eval()


def example_of(source: Source, known: Ports) -> tuple[Tensor, ...]:
    """Real rows in the order of the inputs, as many as the fixed batch has."""
    import torch

    return tuple(torch.from_numpy(source.example[port.name][: port.shape[0]].copy()) for port in known.inputs)
