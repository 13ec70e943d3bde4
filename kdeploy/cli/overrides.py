"""Options of commands that are settings of a recipe: `--bottleneck rank:32` is `export.bottleneck={rank: 32}`."""

from __future__ import annotations

from collections.abc import Iterator


def bench_overrides(
    *, quick: bool, cold_start: bool, sustained_seconds: float, energy: bool, wait: float
) -> Iterator[str]:
    """The options as `key=value` settings of the section bench."""
    if quick:
        yield from ("bench.replicates=8", "bench.throughput=[]")
    if cold_start:
        yield "bench.cold_start=true"
    if sustained_seconds:
        yield f"bench.sustained={sustained_seconds:g}"
    if energy:
        yield "bench.energy=true"
    if wait:
        yield f"bench.wait={wait:g}"


def export_overrides(
    *, bottleneck: str | None, formats: str | None, preprocess: str | None, target: str | None
) -> Iterator[str]:
    """The options as `key=value` settings of the section export."""
    if bottleneck:
        key, colon, value = bottleneck.partition(":")
        yield f"export.bottleneck={{{key}: {value}}}" if colon else f"export.bottleneck={bottleneck}"
    if formats:
        yield f"export.formats=[{formats}]"
    if preprocess:
        yield f"export.preprocess={preprocess}"
    if target:
        yield f"export.target={target}"
