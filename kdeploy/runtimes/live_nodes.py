"""Nodes that no output needs: exporters leave some behind, whose operators nobody has to run, or to know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def leave_out_dead(graph: onnx.GraphProto) -> int:
    """Remove the nodes of a graph that no output of it needs, in place; how many those are."""
    givers: dict[str, list[int]] = defaultdict(list)
    for index, node in enumerate(graph.node):
        for name in node.output:
            givers[name].append(index)
    needed, names = set[int](), [value.name for value in graph.output]
    while names:
        new = set(givers.get(names.pop(), ())) - needed
        needed |= new
        names += [name for index in new for name in _read(graph.node[index]) if name]
    dead = [index for index in range(len(graph.node)) if index not in needed]
    for index in reversed(dead):
        del graph.node[index]
    return len(dead)


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads, and those that its bodies do, where it has some: they see all of the graph's."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            yield from (value.name for value in body.output)
            for inner in body.node:
                yield from _read(inner)
