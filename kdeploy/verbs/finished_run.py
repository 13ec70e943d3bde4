"""A run as its files have it: the record and the folder of each stage, and every trained network with its logits.

Nothing is trained or measured. Logits that a stage stored are read; the others are computed from the stored weights on
the stored samples, as the stage computed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kdeploy.errors import InputError, IntegrityError
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import R, Stage
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord, Network
from kdeploy.records.export import ExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.report import ReportRecord
from kdeploy.records.run import StageKey
from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherRecord
from kdeploy.verbs.runs import index_file, read_index

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet

EvaluationPart = Literal["test", "held_out"]
PARTS: tuple[EvaluationPart, ...] = ("test", "held_out")
_VERBS = {"samples": "label", "teacher": "label", "labels": "label"}  # the verbs that do a stage of another name


@dataclass(frozen=True)
class FinishedRun:
    """The stages of a run that are done.

    Args:
        name: that of the recipe.
        store: the folder of all work.
        fingerprints: those of each stage of the run.
        seals: those that the run has seen.
        trust: may the code run that builds a student of the user's own?
    """

    name: str
    store: Store
    fingerprints: Mapping[StageKey, str]
    seals: Mapping[tuple[StageKey, str], str]
    trust: bool = False

    def folder(self, stage: str) -> Path:
        """The folder with the files of a stage, such as `student.onnx` of `export`.

        Raises: InputError when the stage is not done, IntegrityError when a file of it is not as it was written.
        """
        key, fingerprint = self._done(stage)
        return self.store.files(key.stage, fingerprint, self.seals.get((key, fingerprint)))

    def _done(self, stage: str) -> tuple[StageKey, str]:
        key = StageKey.parse(stage)
        done = [one for one, key in self.fingerprints.items() if self.store.has(one.stage, key)]
        if key not in done:
            raise InputError(
                f"run {self.name}",
                f"must have done the stage {stage!r}",
                got=f"done: {', '.join(map(str, done)) or 'none'}",
                advice=f"Do it: kdeploy {_VERBS.get(key.stage, key.stage)} {self.name}.",
            )
        return key, self.fingerprints[key]

    def _read(self, stage: Stage[R]) -> R:
        key, fingerprint = self._done(stage.name)
        return self.store.read(stage.name, fingerprint, stage.record, self.seals.get((key, fingerprint)))

    @property
    def samples(self) -> SamplesRecord:
        return self._read(SAMPLES)

    @property
    def labels(self) -> LabelsRecord:
        return self._read(LABELS)

    @property
    def distill(self) -> DistillRecord:
        return self._read(DISTILL)

    @property
    def export(self) -> ExportRecord:
        return self._read(EXPORT)

    @property
    def verify(self) -> VerifyRecord:
        return self._read(VERIFY)

    @property
    def bench(self) -> BenchRecord:
        return self._read(BENCH)

    @property
    def bundle(self) -> BundleRecord:
        return self._read(BUNDLE)

    @property
    def report(self) -> ReportRecord:
        return self._read(REPORT)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns of logits."""
        return self._read(TEACHER).class_names

    def targets(self, part: EvaluationPart) -> np.ndarray:
        """The class of each sample of a part, int64 (samples,); the rows of logits are in the same order."""
        samples = self._sample_set()
        return np.asarray(samples.labels[samples.parts[_checked(part)]])

    @property
    def teacher(self) -> TeacherModel:
        """The teacher; of several, the one that they are together."""
        return TeacherModel(self, self._read(TEACHER))

    @property
    def student(self) -> TrainedNetwork:
        """The student whose seed was chosen, which is the one that is exported; as trained, before any lower rank."""
        return TrainedNetwork(self, self.distill.chosen)

    @property
    def students(self) -> tuple[TrainedNetwork, ...]:
        """The students, one a seed."""
        return tuple(TrainedNetwork(self, network) for network in self.distill.students)

    @property
    def baselines(self) -> tuple[TrainedNetwork, ...]:
        """The same networks trained on labels alone, one a seed; empty where the recipe has no baseline."""
        return tuple(TrainedNetwork(self, network) for network in self.distill.baselines)

    def _sample_set(self) -> SampleSet:
        from kdeploy.samples.sampleset import SampleSet

        return SampleSet.open(self.folder("samples"))


@dataclass(frozen=True)
class TeacherModel:
    """The teacher of a run and its record."""

    run: FinishedRun
    record: TeacherRecord

    def logits(self, part: EvaluationPart) -> np.ndarray:
        """The teacher's logits on a part of the samples, float32 (samples, classes), as its stage stored them.

        Raises: InputError for another part.
        """
        return _stored(self.run.folder("teacher") / f"{_checked(part)}_logits.npy")


@dataclass(frozen=True)
class TrainedNetwork:
    """A student or a baseline of a run; its record has the seed and the accuracies."""

    run: FinishedRun
    record: Network

    def logits(self, part: EvaluationPart) -> np.ndarray:
        """Logits of the network on a part of the samples, float32 (samples, classes).

        Those of the test part are stored; those of the held-out part are computed from the weights, on the CPU.

        Raises: InputError for another part.
        """
        if _checked(part) == "test":
            return _stored(self.run.folder("distill") / self.record.logits)
        return computed_logits(self.run, self.record, part)


def computed_logits(run: FinishedRun, network: Network, part: EvaluationPart) -> np.ndarray:
    """Logits from stored weights and samples, float32 (samples, classes)."""
    import torch

    from kdeploy.evaluation.logits import logits_of
    from kdeploy.models import students
    from kdeploy.models.classifier import ModuleClassifier
    from kdeploy.samples.feed import plain_feed

    distilled, samples = run.distill, run._sample_set()
    if distilled.student.family == "torch" and not run.trust:
        code, advice = distilled.student.code, "Read that code, then open the run with trust=True."
        must = f"must be trusted, because its student runs the code of {code}"
        raise IntegrityError(run.name, must, got="got no trust", advice=advice)
    module = students.load(run.folder("distill") / network.file, distilled.student)
    feed = plain_feed(samples, distilled.preprocessing)
    classifier = ModuleClassifier(module, device=torch.device("cpu"), precision="fp32")
    return logits_of(classifier, feed, samples.parts[part])


def open_run(subject: str | Path | Job, store: Store, *, trust: bool = False) -> FinishedRun:
    """The run of a name, of its `runs/<name>.json`, or of a job that has just done it, which was trusted for that.

    Raises: InputError when there is none.
    """
    if isinstance(subject, Job):
        return FinishedRun(subject.recipe.name, subject.store, subject.prints, subject.seals, trust=True)
    path = index_file(str(subject), store)
    if not path.is_file():
        advice = f"Runs here: {store.run_names()}."
        raise InputError(str(subject), "must be the name of a run that was begun", got=f"no {path}", advice=advice)
    index = read_index(path)
    return FinishedRun(index.name, store, index.prints, index.seen, trust)


def _stored(path: Path) -> np.ndarray:
    logits: np.ndarray = np.load(path, allow_pickle=False)
    return logits.astype(np.float32, copy=False)


def _checked(part: str) -> str:
    if part not in PARTS:
        raise InputError("part", f"must be {' or '.join(PARTS)}", got=part)
    return part
