"""The verification of one exported model in every format, against what it must answer.

On all real inputs; on made ones, each family with the budget of its own scale; in batches from 0 to 256. What fails is
a row that says where: the first node that differs, the batch, the family or the preprocessing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kdeploy.models.signature import Signature, signature
from kdeploy.parity import bisection, invariance, steps
from kdeploy.parity.budget import FP32
from kdeploy.parity.compare import compare, logits_of
from kdeploy.parity.double import precision_of_file
from kdeploy.parity.extent import FULL, Cost, Extent, cost_of
from kdeploy.parity.extent import REFERENCE as REFERENCE_EXTENT
from kdeploy.parity.made_families import MadeFamily, with_noise
from kdeploy.parity.oracle import CHUNK, Oracle
from kdeploy.parity.truth import Truth
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.parity import Family, Fault, NodeDifference, ParityRow
from kdeploy.runtimes import installed
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.protocol import Runtime, Source
from kdeploy.runtimes.scratch import scratch_folder

REFERENCE_INPUTS = REFERENCE_EXTENT.inputs


@dataclass(frozen=True)
class Subject:
    """One exported model, what it must agree with, and where it was converted already.

    Args:
        inputs: preprocessed test inputs, float32 (inputs, *shape).
        oracle: of these inputs.
        artefacts: a format, as `openvino` or `onnxruntime:int8`, to its file; of one that is not named `onnx` is
            converted.
        truth: None leaves out made inputs, and the name of the node that differs.
        names: of the inputs, where they have some.
        fed: the first of the inputs, as the recorded preprocessing makes them from raw ones, float32 (some, *shape).
        refused: formats that it could not be converted into.
        families: made inputs with the truth about them; without them they are made.
        outside: did the graph come from outside? Then a runtime runs it in a child.
    """

    name: str
    onnx: Path
    inputs: np.ndarray
    oracle: Oracle
    artefacts: Mapping[str, Path]
    truth: Truth | None = None
    names: Sequence[str] = ()
    fed: np.ndarray | None = None
    refused: Collection[str] = ()
    families: Sequence[MadeFamily] | None = None
    outside: bool = False

    @cached_property
    def signature(self) -> Signature:
        """The signature of the file, which is read once."""
        return signature(self.onnx)

    def extent(self, runtime: str) -> Extent:
        """How many rows are run on a runtime."""
        return self.cost.extent(reference=runtime == REFERENCE)

    @cached_property
    def cost(self) -> Cost:
        """What one row costs."""
        return cost_of(self.onnx, self.signature)

    def precision(self, request: FormatRequest) -> str:
        """The precision in which a format is judged: that of the graph where it was not converted into another."""
        return request.precision if request.precision != "fp32" else self._precision

    @cached_property
    def _precision(self) -> str:
        return precision_of_file(self.onnx)


def row_of(
    subject: Subject,
    request: FormatRequest,
    families: Sequence[MadeFamily],
    at: steps.At = steps.unheard,
    *,
    empty: bool = True,
) -> ParityRow:
    """The row of one format.

    Args:
        at: hears of what comes next.
        empty: is a batch of 0 tried, in which a runtime may end the process?
    Raises: Refused or ModelError where the runtime does not take it.
    """
    runtime, input_name = installed.find(request.runtime), subject.signature.input
    extent = subject.extent(runtime.name)
    few = runtime.name == REFERENCE or extent != FULL
    inputs = subject.inputs[: extent.inputs] if few else subject.inputs
    at(steps.LOAD)
    with scratch_folder(str(subject.onnx)) as scratch:
        artefact = subject.artefacts.get(str(request))
        if artefact is None:
            source = Source(subject.onnx, None, {input_name: inputs[:3]}, None)
            artefact = runtime.convert(source, scratch, precision=request.precision)
        with closing(runtime.load(artefact, threads=1)) as session:
            trial = invariance.Trial(session, input_name, inputs, at)
            return _measured(subject, request, trial, families, extent, empty=empty)


def _measured(
    subject: Subject,
    request: FormatRequest,
    trial: invariance.Trial,
    families: Sequence[MadeFamily],
    extent: Extent,
    *,
    empty: bool,
) -> ParityRow:
    """The row of one format, on real inputs, then on made ones: a lower precision was not calibrated on those, and is
    spared them."""
    runtime = installed.find(request.runtime)
    sizes, fault = invariance.batches(trial, extent.batch, least=0 if empty else 1)
    if fault is not None:
        return unmeasured(subject, request, sizes, fault)
    trial.at(steps.INPUTS)
    logits, _ = logits_of(trial.session, trial.input, trial.inputs, most=min(extent.batch, CHUNK))
    precision = subject.precision(request)
    row = compare(subject.oracle, logits, model=subject.name, runtime=runtime.name, batches=sizes, precision=precision)
    fields: dict[str, object] = {"against": subject.truth.name if subject.truth else row.against}
    if subject.names:
        fields["worst_name"] = subject.names[row.worst_input]
    if not row.passed:
        if precision == "fp32":  # in a lower one every node differs
            fields["first_node"] = _first_node(subject, runtime, trial, trial.inputs, row.worst_input)
        return row.model_copy(update=fields)
    families = families if precision == "fp32" else ()
    results = tuple(_family(one, trial, extent.each) for one in families)
    fault = invariance.constancy(trial, row.budget, extent.again) or _family_fault(
        subject, runtime, trial, families, results
    )
    fields |= {"families": results, "fault": fault, "propagates_nan": invariance.propagates_nan(trial)}
    return row.model_copy(update=fields | {"passed": fault is None})


def _family(family: MadeFamily, trial: invariance.Trial, each: int) -> Family:
    row = compare(family.oracle, trial.logits(family.inputs[:each]), model="", runtime="", batches=())
    measured = row.model_dump(include=set(Family.model_fields) - {"name", "passed"})
    # near ties are made to flip: two logits that are each off by e may swap a margin of 2 e
    return Family(name=family.name, **measured, passed=row.max_abs_error <= row.budget)


def _family_fault(
    subject: Subject,
    runtime: Runtime,
    trial: invariance.Trial,
    families: Sequence[MadeFamily],
    results: Sequence[Family],
) -> Fault | None:
    for family, result in zip(families, results, strict=True):
        if not result.passed:
            node = _first_node(subject, runtime, trial, family.inputs, result.worst_input)
            parts = [f"off by {result.max_abs_error:.3g} at input {result.worst_input}", f"{result.flips} flipped"]
            parts[1:1] = [f"first at {node.words}"] if node else []
            name = subject.truth.name if subject.truth else ""
            must = f"must be within {result.budget:.3g} of {name} on the made inputs {result.name!r}"
            return Fault(kind="family", must=must, got=", ".join(parts), advice=_REPORT)
    return None


_REPORT = "Real inputs pass: leave this runtime out where such inputs can come, and report this."


def _first_node(
    subject: Subject, runtime: Runtime, trial: invariance.Trial, inputs: np.ndarray, worst: int
) -> NodeDifference | None:
    if subject.truth is None:
        return None
    examples = bisection.around(inputs, worst, trial.fixed)
    try:
        wrong = bisection.first_against(subject.onnx, examples, subject.truth.values(examples))
        wrong = wrong or bisection.first_on_runtime(subject.onnx, runtime, examples)
        return wrong or _stale_artefact(subject, runtime, trial, examples)
    except Exception:  # whatever keeps an evaluator from naming the node must not hide that the model is wrong
        return None


def _stale_artefact(
    subject: Subject, runtime: Runtime, trial: invariance.Trial, inputs: np.ndarray
) -> NodeDifference | None:
    """A difference that names the file converted before; None unless a new conversion is right."""
    artefact = subject.artefacts.get(runtime.name)
    if artefact is None or subject.truth is None:
        return None
    with scratch_folder(str(subject.onnx)) as scratch:
        source = Source(subject.onnx, None, {trial.input: inputs}, None)
        with closing(runtime.load(runtime.convert(source, scratch, precision="fp32"), threads=1)) as session:
            fresh = session.run({trial.input: inputs})
    oracle, name = with_noise(subject.truth.oracle(inputs), subject.oracle), artefact.name
    budget = FP32.allows(oracle.float32_error, float(np.abs(oracle.logits).max()))
    if np.abs(next(iter(fresh.values())) - oracle.logits).max() > budget:
        return None
    error = float(np.abs(trial.run(inputs) - oracle.logits).max())
    return NodeDifference(name=name, operator="", output="", error=error, budget=budget)


def unmeasured(subject: Subject, request: FormatRequest, batches: tuple[int, ...], fault: Fault) -> ParityRow:
    """A row for what cannot be compared; JSON has no infinity, hence the largest float."""
    most = float(np.finfo(np.float64).max)
    return ParityRow(
        model=subject.name,
        runtime=request.runtime,
        inputs=0,
        batches=batches,
        max_abs_error=most,
        float32_error=subject.oracle.float32_error,
        scale=float(np.abs(subject.oracle.logits).max()),
        budget=0.0,
        agreement=0.0,
        flips=0,
        worst_input=0,
        passed=False,
        precision=subject.precision(request),
        fault=fault,
    )
