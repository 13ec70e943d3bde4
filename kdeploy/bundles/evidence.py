"""The evidence of a bundle: the records that back what it claims, and apart from them every time.

    evidence/<stage>.json     what the stage came to, the same bytes whenever it comes to the same
    evidence/timings.json     {"schema", "seals": {stage: its record's}, "timed": {stage: {place: value}}, "bench"}

so that two runs of one recipe differ in one file, which seals itself: nothing else in the bundle depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.records.base import Record

MEASURED = "bench"  # this stage says nothing but times


def evidence(records: Mapping[str, Record], seals: Mapping[str, str]) -> dict[str, bytes]:
    """The files of the evidence by their paths in a bundle.

    Args:
        records: of every stage that the bundle rests on, by name.
        seals: of the records as they stand in the run.
    """
    documents: dict[str, dict[str, Any]] = {name: json.loads(record.to_json()) for name, record in records.items()}
    measured = documents.pop(MEASURED, None)
    timed = {name: dict(_taken(document)) for name, document in documents.items()}
    timings = {"schema": core.TIMINGS_SCHEMA, "seals": dict(seals), "timed": timed, MEASURED: measured}
    kept = {f"evidence/{name}.json": _text(document).encode() for name, document in documents.items()}
    return kept | {core.TIMINGS: core.sealed(timings)}


def _taken(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - whatever JSON holds
    """Take every time out of a document, with its place in it: `training.duration_ns`."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in pairs:
        inside = f"{place}.{key}".lstrip(".")
        if key == "timed" or str(key).endswith("_ns"):
            yield inside, value.pop(key)
        else:
            yield from _taken(inner, inside)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
