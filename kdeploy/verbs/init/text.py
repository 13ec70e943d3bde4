"""The words of a drafted recipe: YAML with a comment where something was assumed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from kdeploy.evaluation.doubts import near_chance
from kdeploy.formatting.untrusted import printable
from kdeploy.models.shallow import break_even
from kdeploy.verbs.init.data import Sample
from kdeploy.verbs.init.teacher import Fit, TeacherSignature

_CHANNELS, _HIDDEN = 32, 512
_MOST_FEATURES = 16_384  # behind the convolution
_SHARE_OF_BREAK_EVEN = 6  # of the break-even; the factors then cost a sixth of one dense layer
_SEEN = 200_000  # samples times views, about
_LEAST_AGREEMENT = 90  # percent, of a student without labels
_MOST_DROP = 5  # percentage points, of a student that is judged by labels


@dataclass(frozen=True)
class Values:
    """The values that are written as they are."""

    name: str
    teacher: str
    data: str
    next_command: str


def write(values: Values, teacher: TeacherSignature, sample: Sample, fit: Fit) -> str:
    """The text of the recipe."""
    source: dict[str, Any] = {sample.key: values.data}
    source |= sample.options
    source |= {"split": dict(sample.split)} if sample.split else {}
    onnx: dict[str, Any] = {"onnx": values.teacher} | ({"preprocess": fit.preprocess} if fit.preprocess else {})
    lines = [
        f"# {values.next_command}",
        "#",
        f"# Drafted by kdeploy init: {sample.rows} samples of {_classes(teacher, sample)}.",
        f"name: {json.dumps(values.name)}",
        *(f"# Assumed: {printable(line)}." for line in sample.assumed),
        f"data: {_flow(source)}",
        *_views(sample),
        f"# Assumed: the teacher is given {fit.words}.",
        f"# {_seen(fit, len(sample.class_names) or teacher.classes)}",
        *_chosen(fit),
        "# Otherwise set preprocess: {scale: ..., mean: [a number a channel], std: [...], size: [height, width]}.",
        f"teacher: [{_flow(onnx)}]",
        *_labels(fit),
        *_student(sample),
        "distill: {loss: logit-mse, epochs: 32, seeds: 3}",
        *_bench(teacher),
        "# What must be met, or the run ends with exit code 5:",
        *_gate(sample),
    ]
    return "\n".join(lines) + "\n"


def _classes(teacher: TeacherSignature, sample: Sample) -> str:
    if sample.any_label:
        return f"{len(sample.class_names)} classes"
    return f"which none is labelled; the teacher tells {teacher.classes} classes apart"


def _seen(fit: Fit, classes: int) -> str:
    """What the teacher answered to the samples that were looked at."""
    if fit.accuracy is None:
        return (
            f"With that its answers to {fit.rows} samples tell {fit.bits:.2f} of at most {math.log2(classes):.2f} "
            "bits; without labels nobody can say whether it is right."
        )
    return f"With that it is right on {fit.accuracy:.1%} of {fit.rows} labelled samples{_doubt(fit.accuracy, classes)}."


def _chosen(fit: Fit) -> list[str]:
    if fit.chosen_of is None:
        return []
    return [f"# Assumed: of its {fit.chosen_of} classes those of the data are taken, by their names."]


def _gate(sample: Sample) -> list[str]:
    if sample.any_label:
        comment = "# percentage points below the teacher; also min_speedup, lower bound of the speed-up"
        return [f"gate: {{max_drop: {_MOST_DROP}}}  {comment}"]
    comment = "# percent of the test inputs with the teacher's answer; also min_speedup, lower bound of the speed-up"
    return [f"gate: {{min_agreement: {_LEAST_AGREEMENT}}}  {comment}"]


def _doubt(accuracy: float, classes: int) -> str:
    if not near_chance(accuracy, 1 / classes):
        return ""
    return ": LITTLE MORE THAN CHANCE, so find out what it was trained with"


def _views(sample: Sample) -> list[str]:
    count = max(1, min(16, _SEEN // sample.rows))
    if sample.kind == "image" and min(sample.shape[1:]) >= 16:
        return [f"views: {{count: {count}, shift: 2}}  # also crop, rotate, flip, colour, noise, cutout, mixup"]
    return [f"# Without views each sample is labelled once: for more, views: {{count: {count}, noise: 0.1}}, or mixup."]


def _labels(fit: Fit) -> list[str]:
    """A line for float32 labels, where float16 might not do.

    It is refused from 16,376 on, and views may give larger logits than the samples as they are.
    """
    if fit.largest < 16_376 / 2:
        return []
    return [f"labels: {{dtype: float32}}  # logits up to {fit.largest:.0f}, too near to what float16 holds"]


def _student(sample: Sample) -> list[str]:
    """A convolution where there are images, and a bottleneck well below its break-even where there is room for one."""
    student: dict[str, Any] = {}
    features = math.prod(sample.shape)
    if sample.kind == "image" and min(sample.shape[1:]) >= 8:
        height, width = sample.shape[1:]
        pool = next(pool for pool in range(2, 65) if _behind(height, width, pool) <= _MOST_FEATURES or pool == 64)
        student["conv"], features = {"channels": _CHANNELS, "kernel": 5, "pool": pool}, _behind(height, width, pool)
    limit = break_even(features, _HIDDEN)
    if limit < 4 * _SHARE_OF_BREAK_EVEN:
        return [f"student: {_flow(student | {'hidden': [_HIDDEN]})}  # inputs too few for a bottleneck"]
    width = 2 ** int(math.log2(limit / _SHARE_OF_BREAK_EVEN))
    comment = f"# break-even of the bottleneck: {limit:.0f}"
    return [f"student: {_flow(student | {'bottleneck': width, 'hidden': [_HIDDEN]})}  {comment}"]


def _behind(height: int, width: int, pool: int) -> int:
    return _CHANNELS * (height // pool) * (width // pool)


def _bench(teacher: TeacherSignature) -> list[str]:
    if teacher.batch in (None, 1):
        return []
    return [f"bench: {{batch: [{teacher.batch}]}}  # the only batch that the teacher takes"]


def _flow(value: object) -> str:
    """YAML on one line; every text in quotes, so that none is read as a number or a sign."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
