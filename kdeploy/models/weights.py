"""Weights on disk: one safetensors file a network, with the arguments that build the network again.

External weights may also be a `.pt`, which is a pickle: it is read by an unpickler that makes tensors alone.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from kdeploy.errors import IntegrityError, ModelError, NonFiniteError
from kdeploy.system.files import commit_bytes, hash_file

PICKLES = {".pt", ".pth", ".bin"}


def save_weights(module: nn.Module, path: Path, arguments: Mapping[str, Any]) -> str:
    """Write the weights, all of the file or nothing; returns its SHA-256.

    Raises: NonFiniteError when a weight is NaN or infinite.
    """
    # safetensors takes contiguous tensors only, and channels_last ones are not
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise NonFiniteError(str(path), "weights must be finite", got=f"NaN or infinity in {', '.join(broken)}")
    commit_bytes(path, save(state, metadata={"arguments": json.dumps(arguments, sort_keys=True)}))
    return hash_file(path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights of exactly the module's names, shapes and types.

    Raises: ModelError when the file is not what its name says, or naming the first ten differences; IntegrityError for
        a pickle that would run code.
    """
    weights = _unpickled(path) if path.suffix in PICKLES else _read(path)
    want = module.state_dict()
    differ = sorted(name for name in want.keys() | weights.keys() if _kind(want.get(name)) != _kind(weights.get(name)))
    if differ:
        raise ModelError(
            str(path), "must hold the weights of this network", got=f"these differ: {', '.join(differ[:10])}"
        )
    module.load_state_dict(weights)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except Exception as exc:
        # safetensors raises an exception class of its own, and OSError for a missing file
        raise ModelError(str(path), "must be a safetensors file", got=str(exc)) from exc
    return weights


def _unpickled(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        name = re.search(r"GLOBAL ([\w.]+)", str(exc))
        raise IntegrityError(
            str(path),
            "must hold tensors alone, because reading anything else runs code",
            got=f"it asks for {name[1]}" if name else "other objects",
            advice="Where you trust it, load it and save the module's state_dict() as safetensors.",
        ) from exc
    except Exception as exc:
        # a zip, a tar or a stream that is cut off: each raises errors of its own
        raise ModelError(str(path), "must be a file that torch.save wrote", got=str(exc).partition("\n")[0]) from exc
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError(
            str(path),
            "must hold a state dict, names to tensors",
            got=type(content).__name__,
            advice="Save it with: torch.save(module.state_dict(), path).",
        )
    return content


def _kind(tensor: torch.Tensor | None) -> tuple[torch.Size, torch.dtype] | None:
    return None if tensor is None else (tensor.shape, tensor.dtype)
