"""A network that the user's own code builds: `package.module:function`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from kdeploy.errors import ModelError
from kdeploy.system.user_code import calling, their_traceback


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Import and call the function. This runs the user's code; the caller has made sure that it may.

    Args:
        arguments: of the call, by name.
    Raises: ModelError when there is no such function, when it raises, or returns no module.
    """
    with calling(name, "must build a network"):
        network = _function(name)(**arguments)
        if not isinstance(network, nn.Module):
            raise ModelError(name, "must return a torch.nn.Module", got=type(network).__name__)
        return network


def _function(name: str) -> Callable[..., object]:
    place, _, function = name.partition(":")
    try:
        found: Callable[..., object] = getattr(importlib.import_module(place), function)
    except (ImportError, AttributeError) as exc:
        if their_traceback(exc):
            raise  # their module is here, and what it does fails
        must, got = "must be an importable package.module:function", str(exc)
        raise ModelError(name, must, got=got, advice="Look at PYTHONPATH.") from exc
    return found
