"""The verification of exported models in every format: a row each, in a child where the graph came from outside.

What such a graph does to a runtime costs its own row: one ends the process at an empty batch of an LSTM, another never
comes back. Our own exports are run here, where the trained network is that they must agree with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx

from kdeploy.graphs.inspector.unrepeatable import unrepeatable
from kdeploy.parity import bisection
from kdeploy.parity.apart import Job, outcome
from kdeploy.parity.expected import Expected
from kdeploy.parity.made_families import MadeFamily, made_families
from kdeploy.parity.subject import Subject, row_of, unmeasured
from kdeploy.recipe.formats import ONNX, FormatRequest
from kdeploy.records.base import Unavailable
from kdeploy.records.parity import Fault, ParityRow, VerifyRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.protocol import Refused
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system.progress import Progress

FED_ERROR = 1e-4  # of the largest input: the preprocessing in torch and in NumPy rounds differently


def compared(*, subjects: list[Subject], names: list[str], progress: Progress) -> VerifyRecord:
    """Compare every subject in every format; a failure is a row, not an exception.

    Args:
        names: of formats; what a subject was converted into is compared too.
    """
    plan = [
        (
            subject,
            [name for name in dict.fromkeys((*names, *subject.artefacts)) if name not in {ONNX, *subject.refused}],
        )
        for subject in subjects
    ]  # the ONNX file is what onnxruntime runs
    found: list[ParityRow | Unavailable] = []
    with progress.task("parity", sum(len(formats) for _, formats in plan)) as advance, np.errstate(all="ignore"):
        for subject, formats in plan:
            for one in _rows(subject, formats):
                found.append(one)
                advance(len(found))
    rows = tuple(one for one in found if isinstance(one, ParityRow))
    gaps = tuple(one for one in found if isinstance(one, Unavailable))
    for gap in gaps:
        progress.say(f"  left out: {gap.field}: {gap.reason}")
    versions = {name: installed.find(name).version() for name in dict.fromkeys(row.runtime for row in rows)}
    return VerifyRecord(rows=rows, versions=versions, unavailable=gaps)


def _rows(subject: Subject, names: Sequence[str]) -> Iterator[ParityRow | Unavailable]:
    """One row a format, or why the reference evaluator has none; what is the same in all of them is computed once."""
    fault = _mode_fault(subject.onnx) or _preprocessing_fault(subject)
    families = _families(subject) if fault is None else []
    for request in map(FormatRequest.parse, names):
        yield _row(subject, request, families) if fault is None else unmeasured(subject, request, (), fault)


def _families(subject: Subject) -> Sequence[MadeFamily]:
    if subject.families is not None or subject.truth is None:
        return subject.families or ()
    made = made_families(subject.truth, subject.inputs, subject.oracle)
    return [one._replace(oracle=one.oracle._replace(kind=subject.oracle.kind)) for one in made]


def _row(subject: Subject, request: FormatRequest, families: Sequence[MadeFamily]) -> ParityRow | Unavailable:
    """Raises: ModelError when a runtime that the recipe names refuses."""
    try:
        return _apart(subject, request, families) if subject.outside else row_of(subject, request, families)
    except Refused as refusal:
        if subject.outside and request.runtime == REFERENCE:  # nobody asked for it
            return Unavailable(field=f"{subject.name} on {REFERENCE}", reason=refusal.reason)
        raise installed.refused(request.runtime, subject.onnx, request.precision, refusal) from refusal


def _apart(subject: Subject, request: FormatRequest, families: Sequence[MadeFamily]) -> ParityRow:
    """The row from a child. Raises: Refused with the reason why it has none."""
    against = subject.truth.name if subject.truth else ""
    with scratch_folder(str(subject.onnx)) as scratch:
        expected = Expected(subject.inputs, subject.oracle, families, subject.names, against)
        expected.save(file := scratch / "expected.npz")
        artefact = subject.artefacts.get(str(request))
        job = Job(subject.onnx, subject.name, request.runtime, file, precision=request.precision, artefact=artefact)
        row, reason = outcome(job)
    if row is None:
        raise Refused(str(reason))
    return _named(row, subject)


def _named(row: ParityRow, subject: Subject) -> ParityRow:
    """The row with the first node that is not the trained network's: the child has the graph alone."""
    if row.passed or row.fault is not None or row.precision != "fp32" or subject.truth is None:
        return row
    examples = bisection.around(subject.inputs, row.worst_input, subject.signature.reads.shape[0])
    try:
        wrong = bisection.first_against(subject.onnx, examples, subject.truth.values(examples))
    except Exception:  # whatever keeps an evaluator from naming the node must not hide that the model is wrong
        return row
    return row if wrong is None else row.model_copy(update={"first_node": wrong})


def _mode_fault(path: Path) -> Fault | None:
    differing = unrepeatable(onnx.load(path, load_external_data=False).graph)
    if not differing:
        return None
    must = "must not be random or in training mode"
    return Fault(kind="mode", must=must, got=differing[0], advice="Export it in evaluation mode.")


def _preprocessing_fault(subject: Subject) -> Fault | None:
    """The fault of a preprocessing that makes other inputs of raw ones than the trained network was given."""
    if subject.fed is None:
        return None
    expected = subject.inputs[: len(subject.fed)]
    off = np.abs(subject.fed - expected).reshape(len(expected), -1).max(axis=1)  # (inputs,)
    allowed, row = FED_ERROR * float(np.abs(expected).max()), int(off.argmax())
    if off[row] <= allowed:
        return None
    must = f"must be fed raw inputs within {allowed:.3g} of what the trained network was"
    advice = "The preprocessing in the record of the export is not the trained network's: export it again."
    return Fault(kind="preprocessing", must=must, got=f"off by {off[row]:.3g} at input {row}", advice=advice)
