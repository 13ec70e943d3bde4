"""The text of a model: every string in it is UTF-8.

Protobuf does not look at that while it parses. What it hands out for other bytes depends on its version (bytes, or an
error when the string is read), and whatever sorts, joins or prints names fails there. So all of them are read once:
names, domains, operators, lengths with a name, documentation, metadata, and the attributes that are text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.wording import EXPORT_AGAIN

TEXT_IN_BYTES = {"onnx.AttributeProto": ("s", "strings")}  # declared as bytes, and UTF-8 by their documentation
TEXT_OR_MORE = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE)
TEXTS_OF_TENSOR = ("name", "doc_string", "external_data", "metadata_props")


def check_text(model: onnx.ModelProto, where: str) -> None:
    """Refuse a model with a string that is not UTF-8.

    Raises: ModelError that names the first.
    """
    for place, text in _texts(model, ""):
        if not _is_text(text):
            raise ModelError(where, "must have its text in UTF-8", got=f"{place} is {text[:60]!r}", advice=EXPORT_AGAIN)


def _texts(message: Message, place: str) -> Iterator[tuple[str, Any]]:
    """Each string of a message, of those in it too, and its place."""
    in_bytes = TEXT_IN_BYTES.get(message.DESCRIPTOR.full_name, ())
    for field, held in _set_fields(message):
        if field.type in TEXT_OR_MORE or field.name in in_bytes:
            alone = isinstance(held, str | bytes | Message)
            for number, value in enumerate([held] if alone else held):
                name = place + field.name + ("" if alone else f"[{number}]")
                if isinstance(value, Message):
                    yield from _texts(value, f"{name}.")
                else:
                    yield name, value


def _set_fields(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    """The fields of a message that are there. Of a tensor those without its data, which would be copied."""
    fields = message.DESCRIPTOR.fields_by_name
    names = TEXTS_OF_TENSOR if isinstance(message, onnx.TensorProto) else ()
    return [(fields[name], getattr(message, name)) for name in names] or [*message.ListFields()]


def _is_text(text: str | bytes) -> bool:
    if isinstance(text, str):
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
