"""Weights on disk: one safetensors file a network, with the arguments that build the network again.

External weights may also be a `.pt`, which is a pickle: it is read by an unpickler that makes tensors alone.

Whatever they come from, each tensor has a plain name of its own and finite numbers. The safetensors library takes a
header in which a key comes twice, where its documentation forbids that and each reader has its own choice; such a
header was made by hand.
"""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from kdeploy.errors import IntegrityError, ModelError, NonFiniteError
from kdeploy.runtimes import regular_file
from kdeploy.system.files import commit_bytes, hash_file

PICKLES = {".pt", ".pth", ".bin"}
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
METADATA = "__metadata__"
TENSOR_FIELDS = {"dtype", "shape", "data_offsets"}
LONGEST_HEADER = 100_000_000  # the library's own limit
NAMED_PLAINLY = "must name each tensor with at most 200 letters, digits, '_', '.' and '-'"
FETCH_AGAIN = "Get the file again from where it came, or save the weights anew."


def save_weights(module: nn.Module, path: Path, arguments: Mapping[str, Any]) -> str:
    """Write the weights, all of the file or nothing; returns its SHA-256.

    Raises: NonFiniteError when a weight is NaN or infinite, ModelError when a name of one is not plain.
    """
    # safetensors takes contiguous tensors only, and channels_last ones are not
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    odd = _odd_name(state)
    if odd is not None:
        raise ModelError(str(path), NAMED_PLAINLY, got=repr(odd[:80]), advice="Rename that layer.")
    _check_finite(state, path)
    commit_bytes(path, save(state, metadata={"arguments": json.dumps(arguments, sort_keys=True)}))
    return hash_file(path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights of exactly the module's names, shapes and types.

    Raises: ModelError when the file is not what its name says, or naming the first ten differences; IntegrityError for
        a pickle that would run code, or names that are not plain or come twice; NonFiniteError.
    """
    weights = _unpickled(path) if path.suffix in PICKLES else _read(path)
    odd = _odd_name(weights)
    if odd is not None:
        raise IntegrityError(str(path), NAMED_PLAINLY, got=repr(odd[:80]), advice=FETCH_AGAIN)
    want = module.state_dict()
    differ = sorted(name for name in want.keys() | weights.keys() if _kind(want.get(name)) != _kind(weights.get(name)))
    if differ:
        raise ModelError(
            str(path), "must hold the weights of this network", got=f"these differ: {', '.join(differ[:10])}"
        )
    _check_finite(weights, path)
    module.load_state_dict(weights)


def _read(path: Path) -> dict[str, torch.Tensor]:
    _check_header(path)
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except Exception as exc:
        # safetensors raises an exception class of its own, and OSError for a missing file
        raise ModelError(str(path), "must be a safetensors file", got=str(exc)) from exc
    return weights


def _check_header(path: Path) -> None:
    """Refuse a header that the library takes and another reader may take otherwise; what is no header is left to it.

    file = 8 bytes, the length | that many bytes of JSON, name -> dtype, shape, data_offsets | data
    """
    try:
        with regular_file.opened(path) as stream:
            length = int.from_bytes(stream.read(8), "little")
            content = stream.read(length) if length <= LONGEST_HEADER else b""
        header = json.loads(content, object_pairs_hook=lambda pairs: _once(pairs, path))
    except (OSError, ValueError, RecursionError):
        return
    for name, entry in header.items() if isinstance(header, dict) else ():
        if name != METADATA and (not isinstance(entry, dict) or entry.keys() - TENSOR_FIELDS):
            must = f"tensor {name[:80]!r} must have a dtype, a shape and data_offsets, and nothing else"
            raise IntegrityError(str(path), must, got=repr(entry)[:80], advice=FETCH_AGAIN)


def _once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    names = Counter(name for name, _ in pairs)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        must = "must have each key of its header once"
        raise IntegrityError(str(path), must, got=f"{twice[:80]!r} comes {names[twice]} times", advice=FETCH_AGAIN)
    return dict(pairs)


def _odd_name(names: Iterable[str]) -> str | None:
    return next((name for name in names if not PLAIN_NAME.fullmatch(name)), None)


def _check_finite(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    broken = {name: int((~_finite(value)).sum()) for name, value in weights.items()}
    named = [f"{count} of {weights[name].numel()} in {name}" for name, count in broken.items() if count]
    if named:
        raise NonFiniteError(str(path), "weights must be finite", got=f"NaN or infinity: {', '.join(named[:10])}")


def _finite(values: torch.Tensor) -> torch.Tensor:
    if values.is_floating_point() and values.element_size() == 1:
        values = values.float()  # torch does not know isfinite of 8 bits
    return values.isfinite()


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
    names_tensors = isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    )
    if not names_tensors:
        raise ModelError(
            str(path),
            "must hold a state dict, names to tensors",
            got=type(content).__name__,
            advice="Save it with: torch.save(module.state_dict(), path).",
        )
    state: dict[str, torch.Tensor] = content
    return state


def _kind(tensor: torch.Tensor | None) -> tuple[torch.Size, torch.dtype] | None:
    return None if tensor is None else (tensor.shape, tensor.dtype)
