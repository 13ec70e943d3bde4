"""From the records of the trainings to what their plots draw: teacher, student and baseline, each with its own loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kdeploy.outputs.by_name import kind_of
from kdeploy.records.distill import DistillRecord, Network
from kdeploy.records.teacher import TeacherRecord
from kdeploy.reports.figures.drawing import Part
from kdeploy.reports.figures.losses import Curves


def losses(teacher: TeacherRecord, distill: DistillRecord) -> Iterator[Curves]:
    """The loss of each network that was trained here, on a logarithmic axis."""
    training, on_labels = teacher.training, kind_of(distill.outputs).target_loss
    if training is not None and training.losses:
        caption = "The teacher's loss on the labels."
        yield Curves("teacher", caption, "baseline", training.steps, [training.losses], on_labels, True)
    students, baselines = "The student's loss, against what the teacher says.", "The baseline's loss on the labels."
    yield from _of("student", students, "candidate", distill.students, distill.loss)
    yield from _of("baseline", baselines, "control", distill.baselines, on_labels)


def qualities(distill: DistillRecord, metric: str) -> Iterator[Curves]:
    """The test accuracy, or agreement, after each epoch, in percent, where the recipe asked for it."""
    kinds: tuple[tuple[str, Part, Sequence[Network]], ...] = (
        ("student", "candidate", distill.students),
        ("baseline", "control", distill.baselines),
    )
    for name, part, networks in kinds:
        courses = [[100 * value for value in network.curve] for network in networks if network.curve]
        if courses:
            caption = f"The {name}'s {metric} after each epoch, which decided nothing."
            yield Curves(f"{name}-quality", caption, part, distill.steps, courses, f"{metric}, %", False)


def _of(name: str, caption: str, part: Part, networks: Sequence[Network], loss: str) -> Iterator[Curves]:
    courses = [network.training.losses for network in networks if network.training.losses]
    if courses:
        yield Curves(name, caption, part, networks[0].training.steps, courses, loss, True)
