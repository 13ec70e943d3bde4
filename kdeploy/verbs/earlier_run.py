"""`run: NAME`: the student that an earlier run chose, as a teacher."""

from __future__ import annotations

from kdeploy.errors import InputError, IntegrityError
from kdeploy.outputs.terms import OutputsName
from kdeploy.pipeline.store import Store
from kdeploy.records.distill import DistillRecord
from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherSource
from kdeploy.verbs.runs import read_index


def student_of(
    store: Store, name: str, where: str, key: str, outputs: OutputsName = "classes", *, trust: bool
) -> TeacherSource:
    """The student that a run chose, as the source of a teacher.

    Args:
        where, key: the place that asks for it, for messages.
        outputs: the kind that it must have.
        trust: may it be one that the user's code builds?
    Raises: InputError when there is no such run, it has no student yet, or one of other outputs; IntegrityError for
        code without trust.
    """
    index = store.index(name)
    if not index.is_file():
        advice = f"Runs in {store.root}: {store.run_names()}."
        raise InputError(where, f"{key} must be the name of a run", got=name, advice=advice)
    stages = {str(stage): fingerprint for stage, fingerprint in read_index(index).prints.items()}
    if "distill" not in stages or not store.has("distill", stages["distill"]):
        raise InputError(
            where,
            f"{key} must be a run that has a student",
            got=f"{name} has {', '.join(stages) or 'nothing'}",
            advice=f"Finish it: kdeploy distill {name}.",
        )
    record = store.read("distill", stages["distill"], DistillRecord)
    if record.outputs != outputs:
        got, advice = f"{name} has {record.outputs}", f"Name another run, or set outputs to {record.outputs}."
        raise InputError(where, f"{key} must be a run whose outputs are {outputs}", got=got, advice=advice)
    student = record.student
    if student.family == "torch" and not trust:
        must = f"{key} must be trusted, because its student runs the code of {student.code}"
        raise IntegrityError(where, must, got="got no --trust", advice="Read that code, then pass --trust.")
    samples = store.read("samples", stages["samples"], SamplesRecord)
    file = store.files("distill", stages["distill"]) / record.chosen.file
    return TeacherSource(file, record.preprocessing, samples.class_names or None)
