"""The wire between a process and its child: JSON documents over a pipe, each behind its length.

    message = 4 bytes, big-endian, the length | that many bytes of UTF-8 JSON

No pickle: what a worker sends is data, whatever the model did to it. An error travels as its fields.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Mapping
from typing import Any

from kdeploy import errors

LARGEST_MESSAGE_BYTES = 64 * 2**20

Message = dict[str, Any]  # a JSON document, as it comes; who reads it says what may be in it

_BUILT_FROM_FIELDS = (
    *(errors.UsageError, errors.InputError, errors.DataError, errors.ModelError, errors.BundleError, errors.BusyError),
    *(errors.IntegrityError, errors.MeasuredError, errors.ParityError, errors.GateError, errors.NonFiniteError),
    *(errors.ClaimError, errors.MissingError, errors.ResourceError),
)


class Closed(Exception):
    """The other side closed its end in the middle of, or before, a message."""


class TooSlow(Exception):
    """No byte came within the time allowed."""


class TooLarge(Exception):
    """The length in front of a message is beyond what any message needs."""


def send(descriptor: int, message: Mapping[str, object]) -> None:
    """Write a whole message.

    Raises: Closed when nobody reads any more.
    """
    body = json.dumps(message, allow_nan=False).encode()
    data = memoryview(len(body).to_bytes(4, "big") + body)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError as exc:
        raise Closed from exc


def receive(descriptor: int, *, patience_s: float | None = None) -> Message:
    """Read one message; `patience_s` bounds each wait for more bytes.

    Raises: Closed, TooSlow, TooLarge.
    """
    length = int.from_bytes(_read(descriptor, 4, patience_s), "big")
    if length > LARGEST_MESSAGE_BYTES:
        raise TooLarge(length)
    message: Message = json.loads(_read(descriptor, length, patience_s))
    return message


def _read(descriptor: int, count: int, patience_s: float | None) -> bytes:
    pieces: list[bytes] = []
    while count:
        if not select.select([descriptor], [], [], patience_s)[0]:
            raise TooSlow
        piece = os.read(descriptor, min(count, 2**20))
        if not piece:
            raise Closed
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def error_from_json(fields: Mapping[str, object]) -> errors.KdeployError:
    """The error that `KdeployError.as_json` described; a plain KdeployError for a class built from other fields."""
    kind = getattr(errors, str(fields.get("kind")), None)
    build = kind if kind in _BUILT_FROM_FIELDS else errors.KdeployError
    return build(
        str(fields.get("where", "worker")),
        str(fields.get("must", "must report its error")),
        got=str(fields.get("got", "")),
        advice=str(fields.get("advice", "")),
    )
