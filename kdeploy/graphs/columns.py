"""Some of a classifier's logits, chosen by the names of their classes: z -> output becomes z -> Gather -> output.

A network of a thousand classes so teaches data with ten of them. The names come from the recipe, or from the metadata
of the ONNX file, as exporters write them: under `names`, `classes`, `labels` or `class_names`, a list or a mapping of
numbers to names, as JSON or as Python writes it, or parted by commas or lines.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.runtimes.onnxfile import rename

_KEYS = ("names", "classes", "labels", "class_names")
_MOST_CHARACTERS = 16 << 20
_SHOWN = 5
CHOSEN = "kdeploy_all_logits", "kdeploy_columns"  # names of what is new in the graph


def named_classes(model: onnx.ModelProto, width: int) -> tuple[str, ...]:
    """The names of a model's `width` classes by its metadata; none where it has no such names."""
    metadata = {entry.key.lower(): entry.value for entry in model.metadata_props}
    lists = (_listed(metadata[key]) for key in _KEYS if len(metadata.get(key, "")) in range(1, _MOST_CHARACTERS))
    return next((names for names in lists if len(names) == width == len(set(names))), ())


def columns_for(
    model: onnx.ModelProto, width: int, names: Sequence[str] | None, wanted: Sequence[str], where: str
) -> list[int] | None:
    """Which of a model's logits are those of the wanted classes; None for all as they are.

    Args:
        width: how many logits it has.
        names: of them, in their order; None for those of its metadata, which may name others than the data do.
        wanted: the classes of the data; none where they name none.
        where: what messages call the model.
    Raises: ModelError for names that are not those of the logits, or where not all of the wanted are among them.
    """
    if names is not None and len(names) != width:
        advice = "Name each of its classes in teacher.classes, in the order of its logits."
        raise ModelError(where, f"must have a name for each of its {width} logits", got=str(len(names)), advice=advice)
    known = named_classes(model, width) if names is None else tuple(names)
    if not wanted or not known or known == tuple(wanted):
        return None
    if names is None and width == len(wanted) and set(known) != set(wanted):
        return None  # the same classes by other names
    return _columns(known, wanted, where)


def _columns(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """The places of the wanted classes among a teacher's.

    Raises: ModelError when the teacher has not all of them.
    """
    places = {name: place for place, name in enumerate(names)}
    missing = [name for name in wanted if name not in places]
    if missing:
        got = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if missing[_SHOWN:] else "")
        must = f"must name every class of the data among its {len(names)}"
        advice = "Name its classes as the data do, in the order of its logits, with teacher.classes."
        raise ModelError(where, must, got=f"not {got}", advice=advice)
    return [places[name] for name in wanted]


def choose_columns(model: onnx.ModelProto, columns: Sequence[int]) -> None:
    """Let a classifier with one output (batch, classes) give these of its logits, in this order; in place."""
    graph, (before, indices) = model.graph, CHOSEN
    output = graph.output[0]
    rename(graph, output.name, before)
    graph.initializer.append(numpy_helper.from_array(np.array(columns, np.int64), indices))
    graph.node.append(helper.make_node("Gather", [before, indices], [output.name], axis=1))
    output.type.tensor_type.shape.dim[1].dim_value = len(columns)


def _listed(text: str) -> tuple[str, ...]:
    value = _value(text)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: int(str(key)) if str(key).isdecimal() else -1)
        value = [value[key] for key in keys] if all(str(key).isdecimal() for key in keys) else []
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _value(text: str) -> object:
    """What a text says, as JSON or in Python's own notation; else its lines, or what stands between its commas."""
    if text.lstrip()[:1] in ("[", "{", "("):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
        return []
    return [part.strip() for part in re.split(r"\n" if "\n" in text.strip() else ",", text) if part.strip()]
