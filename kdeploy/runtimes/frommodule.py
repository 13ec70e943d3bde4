"""What the runtimes have in common that convert the torch module itself, and not the ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
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


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Converters warn and log of their own parts, and print their progress on stdout, which belongs to --json."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
