"""Text out of a hostile file, made fit for one line of a message: short, and nothing that a terminal obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.formatting.untrusted import printable

if TYPE_CHECKING:
    import onnx

LONGEST_NAME = 60
LONGEST_CAUSE = 200
EXPORT_AGAIN = "Export the model again."


def quoted(name: str) -> str:
    """A name in quotes; `repr` escapes whatever is not printable, direction marks included."""
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")


def node_words(node: onnx.NodeProto) -> str:
    """`node 'name' (Operator)`; a node without a name goes by its first output."""
    name = node.name or next(iter(node.output), "")
    operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    return f"node {quoted(name)} ({quoted(operator)[1:-1]})"


def cause(exc: BaseException) -> str:
    """A library error's text on one line, without control characters."""
    line = " ".join(str(exc).split()) or type(exc).__name__
    return printable(line)[:LONGEST_CAUSE].rstrip(".")
