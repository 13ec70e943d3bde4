"""The layers with the multiply-adds of a model: the largest, in the order of the graph, and the rest in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kdeploy.records.bench import Compute, LayerCost

SHOWN = 12


@dataclass(frozen=True)
class LayerRow:
    """One layer, or the `others` that are too small to be named; `share` is of the model's multiply-adds."""

    name: str
    operator: str
    shape: str
    multiply_adds: int
    parameters: int
    share: float


def rows(compute: Compute, shown: int = SHOWN) -> tuple[LayerRow, ...]:
    """At most `shown` layers, and one row for all others."""
    total = max(1, compute.multiply_adds)
    places = range(len(compute.layers))
    sizes = [(layer.multiply_adds, layer.parameters) for layer in compute.layers]
    largest = sorted(places, key=sizes.__getitem__, reverse=True)[:shown]
    kept = [compute.layers[place] for place in sorted(largest)]
    rest = [layer for place, layer in enumerate(compute.layers) if place not in set(largest)]
    return (*(_row(layer, total) for layer in kept), *_others(rest, total))


def _row(layer: LayerCost, total: int) -> LayerRow:
    shape = " \N{MULTIPLICATION SIGN} ".join(map(str, layer.output_shape))
    share = layer.multiply_adds / total
    return LayerRow(layer.name, layer.op_type, shape, layer.multiply_adds, layer.parameters, share)


def _others(layers: list[LayerCost], total: int) -> Iterator[LayerRow]:
    if layers:
        work, parameters = (sum(getattr(layer, name) for layer in layers) for name in ("multiply_adds", "parameters"))
        yield LayerRow(f"{len(layers)} smaller ones", "", "", work, parameters, work / total)
