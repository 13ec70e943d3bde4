"""Sentences of a page: capitals, full stops, and the names of metrics."""

from __future__ import annotations


def sentence_case(text: str) -> str:
    """A text with a capital at the beginning, unless it begins with a file's name.

    >>> [sentence_case(text) for text in ("no claim", "student.onnx is", "")]
    ['No claim', 'student.onnx is', '']
    """
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.rstrip(":").isalpha() else text


def complete(text: str) -> str:
    """A sentence for the page: with its capital, and one full stop."""
    return f"{sentence_case(text).rstrip('.')}."


def metric(name: str) -> str:
    return "accuracy (top-1)" if name == "top1" else name
