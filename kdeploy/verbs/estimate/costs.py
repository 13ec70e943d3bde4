"""From a small run to the run: what each stage takes with all samples, and for all its steps.

    seconds = what it takes once + steps of the run x seconds a step + rows of the run x seconds a row

A step is one of a training, of a benchmark (two or three processes that take turns), or a row that is labelled. Of a
benchmark the number of steps is not known before: it stops when it is certain, so this is the most that it takes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from kdeploy.pipeline.job import Job
from kdeploy.records.plan import StageCost
from kdeploy.records.run import StageKey
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages.bench import BenchOptions
from kdeploy.stages.export.formats import TRANSFER
from kdeploy.timing.request import COLD_STARTS, Settings
from kdeploy.training.loop import BatchPlan
from kdeploy.verbs.estimate.few import canonical_bytes
from kdeploy.verbs.estimate.laps import Lap
from kdeploy.verbs.estimate.small_run import SmallRun

_BACKWARD = 3  # a step of a training costs about three times the answers to its batch
_DOUBLE = 4  # and an answer in float64 about four times one in float32
_PREPROCESSED = ("export", "verify", "bench")  # stages that hold inputs as the models read them


@dataclass(frozen=True)
class Costs:
    """The costs of a job's stages.

    Args:
        samples: of the job.
        resident: were these in memory during the small run? In the run they are mapped, and come to be there.
    """

    job: Job
    samples: SampleSet
    small_run: SmallRun
    resident: bool

    def of(self, key: StageKey) -> StageCost | None:
        """The cost of a stage that was done small."""
        lap = self.small_run.laps.get(key)
        if lap is None:
            return None
        return StageCost(
            seconds=self._seconds(lap, key),
            memory_bytes=lap.memory_bytes + self._more_memory(key.stage),
            disk_bytes=self._disk(lap, key),
        )

    def _seconds(self, lap: Lap, key: StageKey) -> float:
        if self._combines(key):
            return lap.seconds
        alone = {"distill": self._distill, "export": self._export, "verify": self._verify, "bench": self._bench}
        if key.stage == "teacher":
            return self._teacher(lap, key.number or 0)
        if key.stage == "labels":
            return lap.once + self.rows * lap.each("labels")
        return alone[key.stage](lap) if key.stage in alone else lap.seconds

    def _combines(self, key: StageKey) -> bool:
        """Is it what several teachers come to? Nothing is computed for that."""
        return key.stage in ("teacher", "labels") and self.job.count > 1 and key.number is None

    @property
    def rows(self) -> int:
        """Rows that each teacher labels."""
        return self.job.recipe.views.count * len(self.samples.transfer)

    def row_seconds(self, number: int) -> float:
        """Seconds in which a teacher labels one row; 0 when it was not done small."""
        key = StageKey("labels", number if self.job.count > 1 else None)
        lap = self.small_run.laps.get(key)
        return 0.0 if lap is None else lap.each("labels")

    def _teacher(self, lap: Lap, number: int) -> float:
        member, rows = self.job.recipe.members[number], self._more("test") + self._more("held_out")
        seconds = lap.once + rows * self.row_seconds(number)
        if member.model is None or not lap.tasks:
            return seconds
        plan = BatchPlan(len(self.samples.parts["labeled"]), member.train.batch, 0)
        epochs, steps = member.train.epochs, member.train.steps
        return seconds + lap.each("teacher") * (steps if epochs is None else epochs * plan.steps_per_epoch)

    def _distill(self, lap: Lap) -> float:
        distill = self.job.recipe.distill
        plan = BatchPlan(len(self.samples.transfer), distill.batch, 0)
        looks = distill.epochs * len(self.samples.parts["test"]) if distill.curve else 0
        evaluated = self._more("test") + self._more("held_out") + looks
        steps = distill.epochs * plan.steps_per_epoch + evaluated / (_BACKWARD * plan.size)
        return lap.once + distill.seeds * steps * sum(map(lap.each, ("student", "baseline")))

    def _export(self, lap: Lap) -> float:
        """With the comparison of both forms, where that decides; each format is compared on more inputs."""
        forms = Settings.quick().looks[-1] * self._pair_seconds if self._compares else 0.0
        more = _compared(self.samples) - _compared(self.small_run.samples)
        answers = _DOUBLE + len(self.job.recipe.export.formats)
        return lap.seconds + forms + more * answers * self._student_row_seconds

    @property
    def _compares(self) -> bool:
        """Are both forms of the bottleneck timed? Then a copy of each is kept as it was timed."""
        student, export = self.job.recipe.student, self.job.recipe.export
        return export.bottleneck == "auto" and student.bottleneck is not None

    def _verify(self, lap: Lap) -> float:
        """An ONNX teacher is its own truth, which is asked about few inputs, however many there are."""
        asked = any(member.onnx is not None for member in self.job.recipe.members)
        teachers = 0.0 if asked else sum(map(self.row_seconds, range(self.job.count)))
        answers = _DOUBLE + len(lap.tasks[0].marks) / 2 if lap.tasks else _DOUBLE
        return lap.seconds + self._more("test") * answers * (teachers + self._student_row_seconds)

    @cached_property
    def _student_row_seconds(self) -> float:
        """Seconds in which the student answers one input: a step of its training has a batch, there and back."""
        lap, distill = self.small_run.laps.get(StageKey("distill")), self.job.recipe.distill
        plan = BatchPlan(len(self.samples.transfer), distill.batch, 0)
        return 0.0 if lap is None else lap.each("student") / (_BACKWARD * plan.size)

    def _bench(self, lap: Lap) -> float:
        options = self.job.recipe.bench.options(BenchOptions)
        pairs = _replicates(options, self._pair_seconds) * self._pair_seconds
        brief = min(options.settings.throughput_ns / 1e9, len(options.brief) * self._pair_seconds)
        alone = 2 * options.sustained + (2 * COLD_STARTS * self._pair_seconds / 3 if options.cold_start else 0.0)
        return lap.once + len(options.runtimes) * (len(options.sizes) * (pairs + alone) + brief)

    @cached_property
    def _pair_seconds(self) -> float:
        """Seconds of one set of processes of a benchmark."""
        lap = self.small_run.laps.get(StageKey("bench"))
        return 0.0 if lap is None else lap.each("latency")

    def _more(self, part: str) -> int:
        """How many more samples a part has than in the small run."""
        return len(self.samples.parts[part]) - len(self.small_run.samples.parts[part])

    def _more_memory(self, stage: str) -> int:
        """Bytes that the run has resident besides those of the small run."""
        mapped = 0 if self.resident else canonical_bytes(self.samples)
        labels = self.rows * sum(self.small_run.row_bytes.values()) if stage == "distill" else 0
        rows = self._more("held_out" if stage == "export" else "test") if stage in _PREPROCESSED else 0
        return mapped + labels + 2 * rows * self._input_bytes

    @cached_property
    def _input_bytes(self) -> int:
        """Bytes of one input as the student reads it, in float32."""
        return 4 * math.prod(self.samples.plain_preprocessing.model_shape)

    def _disk(self, lap: Lap, key: StageKey) -> int:
        if self._combines(key):
            return lap.disk_bytes
        rows, classes = self._more("test"), self.small_run.classes
        match key.stage:
            case "labels":
                return self.rows * self.small_run.row_bytes[key.number or 0]
            case "teacher":
                return lap.disk_bytes + 4 * classes * (rows + self._more("held_out"))
            case "distill":
                return self.job.recipe.distill.seeds * (lap.disk_bytes + 4 * classes * rows * len(lap.tasks))
            case "export":
                return lap.disk_bytes + (sum(self.small_run.form_bytes) if self._compares else 0)
            case _:
                return lap.disk_bytes


def _compared(samples: SampleSet) -> int:
    """Inputs that the formats of the student are compared on; see `kdeploy.stages.export.formats.divided`."""
    return min(TRANSFER, len(samples.transfer)) * 2 // 3 + min(TRANSFER, len(samples.parts["held_out"]))


def _replicates(options: BenchOptions, seconds: float) -> int:
    """Sets of processes of one comparison, when it never becomes certain: looks that fit into its time."""
    looks, settings = options.settings.looks, options.settings
    limit = settings.limit_ns / 1e9
    fit = [look for _, look in itertools.pairwise((0, *looks)) if look == looks[0] or look * seconds <= limit]
    return min(fit[-1], math.ceil(settings.hard_factor * limit / max(seconds, 1e-9)))
