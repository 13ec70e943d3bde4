"""verify: student and teacher through every runtime, against the trained networks in float64.

With the formats in a lower precision, what that costs; with preprocessing in the graph, raw input to logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdeploy.evaluation import raw_input
from kdeploy.evaluation.exported_run import ExportedRun, exported_student
from kdeploy.evaluation.precision_cost import Labeled, precision_cost
from kdeploy.models import teachers
from kdeploy.models.ensemble import Ensemble, Rule
from kdeploy.models.students import OURS
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.every_format import compared
from kdeploy.parity.module_truth import ModuleTruth
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.subject import REFERENCE_INPUTS, Subject
from kdeploy.parity.truth import GraphTruth, Truth
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.export import Format
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.records.precision import Cost
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.samples.feed import plain_inputs
from kdeploy.samples.preprocessing_numpy import apply_numpy
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.progress import Progress


def run(
    exported: ExportedRun, samples: SampleSet, *, names: Sequence[str], target: str, progress: Progress
) -> VerifyRecord:
    """Compare student and teacher in every format on the test inputs.

    Args:
        names: of formats in fp32; what the export converted is compared too.
        target: the runtime that the raw form is for.
    Raises: ParityError for the first comparison that failed.
    """
    spec, student = exported.distilled[1].preprocessing, exported_student(exported)
    truth = ModuleTruth(student.module, student.exact, exported.folder / "student.onnx")
    subjects = [
        _subject("student", exported, samples, truth, spec),
        _subject("teacher", exported, samples, _teacher_truth(exported), exported.teacher[1].preprocessing),
    ]
    record = compared(subjects=subjects, names=list(names), progress=progress)
    rows = (*record.rows, *_raw_rows(exported, samples, subjects[0].oracle, target))
    raise_if_failed(rows)
    return record.model_copy(update={"rows": rows, "costs": tuple(_costs(exported, samples))})


def _subject(name: str, exported: ExportedRun, samples: SampleSet, truth: Truth, trained: Preprocessing) -> Subject:
    """A model on the test inputs; `trained` is its preprocessing in training, the record has that of deployment."""
    record, rows = exported.record, samples.parts["test"]
    recorded = record.preprocessing if name == "student" else record.teacher_preprocessing
    inputs = plain_inputs(samples, trained, rows[:REFERENCE_INPUTS] if isinstance(truth, GraphTruth) else rows)
    return Subject(
        name,
        exported.folder / f"{name}.onnx",
        inputs,
        truth.oracle(inputs)._replace(kind=samples.kind),
        record.files(exported.folder, name),
        truth,
        fed=apply_numpy(recorded, samples.inputs[recorded.input][rows[:REFERENCE_INPUTS]]),
        refused=[one.key for one in record.formats if one.model == name and one.refused is not None],
        outside=_is_outside(name, exported),
    )


def _is_outside(name: str, exported: ExportedRun) -> bool:
    """Was the network, or a part of it, not built by kdeploy alone? A run's student may be anybody's."""
    if name == "student":
        return exported.distilled[1].student.family not in OURS
    return any(member.origin != "model" for _, member in exported.members)


def _teacher_truth(exported: ExportedRun) -> Truth:
    """The trained network that the exported teacher must agree with; its graph when an ONNX file is all, or part, of
    it."""
    graph = exported.folder / "teacher.onnx"
    if any(record.origin == "onnx" for _, record in exported.members):
        return GraphTruth(graph, "its graph in float64")
    modules = [teachers.module(folder, teachers.spec_of(record)) for folder, record in exported.members]
    combination = exported.teacher[1].ensemble
    if combination is None:
        return ModuleTruth(modules[0], graph=graph)
    return ModuleTruth(Ensemble(modules, Rule(combination.mean, combination.weights)).eval(), graph=graph)


def _raw_rows(exported: ExportedRun, samples: SampleSet, oracle: Oracle, target: str) -> tuple[ParityRow, ...]:
    """The parity of raw input to logits, where the export has preprocessing in the graph; nothing where it has not.

    The student itself stands before it, so that what fails here alone is the preprocessing.
    """
    raw = exported.record.raw
    if raw is None:
        return ()
    canonical = samples.inputs[exported.record.preprocessing.input][samples.parts["test"]]
    return raw_input.compare(exported.folder / raw.file, canonical, raw.layout, oracle, (REFERENCE, target))


def _costs(exported: ExportedRun, samples: SampleSet) -> list[Cost]:
    """What each format in another precision than fp32 costs on the test inputs."""
    formats = [one for one in exported.record.formats if one.precision != "fp32" and one.refused is None]
    specs = {"teacher": exported.teacher[1].preprocessing}
    tests = {
        model: Labeled.of(samples, specs.get(model, exported.distilled[1].preprocessing), "test")
        for model in {one.model for one in formats}
    }
    return [_cost(exported.folder, one, tests[one.model]) for one in formats]


def _cost(folder: Path, format_: Format, on: Labeled) -> Cost:
    request = FormatRequest(format_.runtime, format_.precision)
    cost = precision_cost(format_.model, folder / f"{format_.model}.onnx", folder / format_.file, request, on)
    return cost.model_copy(update={"calibration": format_.cost.calibration if format_.cost else None})
