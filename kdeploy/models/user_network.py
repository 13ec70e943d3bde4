"""A network that the user's own code builds: `package.module:function`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from kdeploy.errors import ModelError
from kdeploy.system import user_code


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Import and call the function. This runs the user's code; the caller has made sure that it may.

    Args:
        arguments: of the call, by name.
    Raises: ModelError when there is no such function, when it raises, or returns no module.
    """
    with user_code.calling(name, "must build a network"):
        network = user_code.function(name)(**arguments)
        if not isinstance(network, nn.Module):
            raise ModelError(name, "must return a torch.nn.Module", got=type(network).__name__)
        return network
