"""The recipe of a small run: the same networks, losses, formats and runtimes, with few steps of each."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdeploy.models import teachers
from kdeploy.recipe.models import Gate, Recipe
from kdeploy.recipe.teacher import Teacher

VIEWS = 2  # the first one warms up
REPLICATES = 2
_SECONDS = 2.0  # of a training
_MULTIPLY_ADDS_PER_SECOND = 1e10  # about, of two cores; it only decides how many steps are timed
_FEWEST, _MOST = 3, 40  # steps


def shortened(recipe: Recipe, *, student_steps: int, steps_per_epoch: int, teacher_steps: list[int]) -> Recipe:
    """The recipe with so many steps.

    Args:
        steps_per_epoch: of the students, on the samples of the small run.
        teacher_steps: of each teacher, with `count` counted out.
    """
    epochs = math.ceil(student_steps / steps_per_epoch)
    pairs = zip(recipe.members, teacher_steps, strict=True)
    return recipe.model_copy(
        update={
            "teacher": tuple(_taught(member, steps) for member, steps in pairs),
            "views": recipe.views.model_copy(update={"count": min(recipe.views.count, VIEWS)}),
            "distill": recipe.distill.model_copy(
                update={"epochs": epochs, "seeds": 1, "curve": False, "tracker": "none"}
            ),
            "export": recipe.export.model_copy(update={"bottleneck": _timed_by_nobody(recipe)}),
            "bench": recipe.bench.model_copy(
                update={
                    "replicates": REPLICATES,
                    "threads": recipe.bench.threads[:1],
                    "batch": recipe.bench.batch[:1],
                    "throughput": (),
                    "cold_start": False,
                    "wait": 0.0,
                    "sustained": 0.0,
                    "energy": False,
                }
            ),
            "gate": Gate(),
        }
    )


def _taught(teacher: Teacher, steps: int) -> Teacher:
    if teacher.model is None:
        return teacher
    return teacher.model_copy(update={"train": teacher.train.model_copy(update={"steps": steps, "epochs": None})})


def _timed_by_nobody(recipe: Recipe) -> object:
    """The form of the bottleneck without the benchmark of both, which is the same as that of the run."""
    return "factored" if recipe.export.bottleneck == "auto" else recipe.export.bottleneck


def steps_for(multiply_adds: int, batch: int) -> int:
    """Steps of a training that take about two seconds, forward and backward; at least three."""
    step = 3 * batch * multiply_adds / _MULTIPLY_ADDS_PER_SECOND
    return max(_FEWEST, min(_MOST, round(_SECONDS / max(step, 1e-9))))


def multiply_adds(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of one sample, by torch's counter: exact for linear layers and convolutions, two FLOPs each."""
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape, device=next(module.parameters()).device))
    return int(counter.get_total_flops()) // 2


def teacher_steps(teacher: Teacher, shape: tuple[int, ...], classes: int) -> int:
    """Steps of a built-in teacher in a small run; any other is trained for none."""
    if teacher.model is None:
        return 0
    statistics = {"mean": [0.5] * shape[0], "std": [0.25] * shape[0]}
    arguments = {"shape": shape, "classes": classes, **teacher.net, **statistics}
    with torch.device("meta"):
        module = teachers.seeded(teacher.model, 0, arguments)
    return steps_for(multiply_adds(module.eval(), shape), teacher.train.batch)
