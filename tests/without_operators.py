"""torchvision beside a torch that it was not built for: its operators, of which no classifier calls one, get names."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import torch

_LIBRARIES: list[torch.library.Library] = []  # torch forgets an operator with its library


def name_operators() -> None:
    """Define what torchvision expects its own library to have defined, where that cannot be loaded."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _LIBRARIES or hasattr(torch.ops.torchvision, "nms"):
        return
    text = Path(spec.origin).with_name("_meta_registrations.py").read_text(encoding="utf-8")
    library = torch.library.Library("torchvision", "DEF")
    for name in dict.fromkeys(re.findall(r'register_(?:meta|fake)\("(?:torchvision::)?(\w+)"\)', text)):
        library.define(f"{name}(Tensor a) -> Tensor")
    _LIBRARIES.append(library)
