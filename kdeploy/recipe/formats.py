"""A format as people write it: `NAME[:PRECISION]`, or `all`.

onnx                  the ONNX file itself, in fp32
openvino              what the runtime openvino deploys, in fp32
onnxruntime:int8      the same of onnxruntime, in int8
all                   every runtime that is here in fp32, and every other precision that it offers
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from kdeploy.recipe.section import listed

ALL, ONNX = "all", "onnx"
PRECISIONS = ("fp32", "fp16", "bf16", "int8")

_GRAMMAR = re.compile(r"(?P<runtime>[^:\s]+)(:(?P<precision>[^:\s]+))?")


class FormatRequest(NamedTuple):
    """One format that is asked for: the name of a runtime, or `onnx`, and the precision of its arithmetic.

    Args:
        optional: was it not asked for by name? Then a refusal is a result, and no error.
    """

    runtime: str
    precision: str = "fp32"
    optional: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """The request that a text such as `openvino:fp16` makes.

        Raises: ValueError with a sentence without its place.
        """
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise ValueError(f"must be NAME or NAME:PRECISION (got {text!r}). Write openvino, or onnxruntime:int8.")
        request = cls(match["runtime"], match["precision"] or "fp32")
        if request.precision not in PRECISIONS:
            known = listed(PRECISIONS).replace(" and ", " or ")
            raise ValueError(f"must be of the precision {known} (got {text!r}). Without one it is fp32.")
        if request.runtime in (ONNX, ALL) and request.precision != "fp32":
            advice = f"Name a runtime, as onnxruntime:{request.precision}."
            raise ValueError(f"must be {request.runtime} without a precision (got {text!r}). {advice}")
        return request

    def __str__(self) -> str:
        """The format as people write it, `onnxruntime:int8`."""
        return self.runtime if self.precision == "fp32" else f"{self.runtime}:{self.precision}"

    @property
    def folder(self) -> str:
        """The name of the format's folder: not every file system takes a colon."""
        return str(self).replace(":", "-")


def expanded(texts: Sequence[str], runtimes: Sequence[str]) -> tuple[FormatRequest, ...]:
    """The requests in these texts, each once; `all` becomes `onnx` and every precision of every runtime, all optional.

    Args:
        runtimes: names of those that `all` stands for.
    """
    named = [FormatRequest.parse(text) for text in texts if text != ALL]
    if ALL in texts:
        every = [FormatRequest(name, precision, optional=True) for precision in PRECISIONS for name in runtimes]
        named = [*named, FormatRequest(ONNX), *every]
    first = {(asked.runtime, asked.precision): asked for asked in reversed(named)}
    return tuple(dict.fromkeys(first[asked.runtime, asked.precision] for asked in named))


def grammatical(text: str) -> str:
    """The text itself, when it is a format, for a field of the recipe.

    Raises: ValueError as `FormatRequest.parse` does.
    """
    FormatRequest.parse(text)
    return text
