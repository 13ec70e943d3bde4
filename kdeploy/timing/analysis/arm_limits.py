"""What binds each arm of a comparison: its roofline, the reasons it gives against a claim, and what is worth saying."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kdeploy.records.bench import Reason, Roofline
from kdeploy.timing.analysis import roofline
from kdeploy.timing.analysis.call_overhead import note
from kdeploy.timing.analysis.comparison import ROLES, Measured, Role, asked_of, key_of, latency_of

FLOAT_BYTES = 4  # an element of an input


def limited(measured: Measured, role: Role, level: float) -> Roofline | str:
    """The roofline of an arm, or why it has none."""
    loaded = measured.workers(key_of(role))[0].loaded
    elements = sum(math.prod(shape) for shape in loaded["input_shapes"].values())
    subject = roofline.Subject(
        runtime=measured.request.runtime,
        threads=measured.request.threads,
        precision=loaded["settings"].get("precision"),
        input_bytes=FLOAT_BYTES * elements,
        compute=asked_of(measured, role).compute,
        latency=latency_of(measured, role, level),
    )
    return roofline.roofline(subject, measured.bounds)


def too_fast(measured: Measured, level: float) -> Iterator[Reason]:
    """R16: an arm below the limit of the machine."""
    for role in ROLES:
        found = limited(measured, role, level)
        if isinstance(found, Roofline):
            model = asked_of(measured, role).model
            yield from roofline.refusals(model, found, latency_of(measured, role, level))


def notes(measured: Measured, level: float) -> Iterator[str]:
    """Which arms are bound by overhead."""
    request = measured.request
    floor_ns = measured.bounds.floor_ns(request.runtime, request.threads)
    for role in ROLES:
        found = latency_of(measured, role, level)
        if floor_ns is not None and found is not None:
            model = asked_of(measured, role).model
            yield from filter(None, [note(model, request.runtime, found.median.value, floor_ns)])
