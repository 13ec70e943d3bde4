"""The module and the example for runtimes that convert the torch module itself, and not the ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Refused, Source

if TYPE_CHECKING:
    from torch import Tensor, nn


def module_of(source: Source, *, runtime: str) -> nn.Module:
    """The torch module of a source, in evaluation mode.

    Raises: Refused for a model that came as ONNX.
    """
    if source.module is None:
        raise Refused(f"{runtime} is made of a torch module, and this model came as ONNX")
    return source.module().eval()


def example_of(source: Source, ports: Ports) -> tuple[Tensor, ...]:
    """Real rows of the source, one tensor (batch, *shape) for each input in the order of the ports, whose batch is
    fixed."""
    import torch

    return tuple(torch.from_numpy(source.example[port.name][: port.shape[0]].copy()) for port in ports.inputs)
