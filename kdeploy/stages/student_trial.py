"""A student that was built elsewhere, tried before anything is labelled for it.

Two batches go through it, as in training and as in use, it is exported, and it answers in float64: whatever a run would
refuse after hours is refused here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.graphs import export
from kdeploy.models import students
from kdeploy.models.answers import logits_from, must_be_finite, must_repeat
from kdeploy.models.students import StudentOptions
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system.user_code import calling

ROWS = 3


def run(options: StudentOptions, *, name: str, inputs: Tensor, classes: int) -> None:
    """Try a student.

    Args:
        name: of the input.
        inputs: preprocessed samples, float32 (at least 6, *shape).
        classes: how many logits it must give.
    Raises: ModelError or ParityError for a network that cannot be a student of these data, MeasuredError for one that
        answers differently when it is asked twice; MissingError for a package that is not here.
    """
    shape, where = inputs.shape[1:], f"student.{options.family} {options.arguments['name']}"
    channels = shape[0]
    network = students.described(options, shape=shape, classes=classes, mean=[0.5] * channels, std=[0.25] * channels)
    module = students.seeded(network, 0)
    batches = [inputs[:ROWS], inputs[ROWS : 2 * ROWS]]
    with calling(where, f"must take inputs of shape (batch, {', '.join(map(str, shape))})"):
        _learns(module.train(), batches[0], classes, where)
        _answers(module.eval(), batches[1], classes, where)
        with torch.inference_mode():
            module.double()(batches[0].double())
    with scratch_folder() as folder:
        export.write(module.float(), folder / "student.onnx", input_name=name, shape=shape, called=where)


def _learns(module: nn.Module, batch: Tensor, classes: int, where: str) -> None:
    """Every parameter that is trained must get a gradient from the logits."""
    logits = _logits(module(batch), len(batch), classes, where)
    torch.autograd.backward(logits.square().mean())
    trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if not any(value.grad is not None for value in trained.values()):
        raise ModelError(
            where, "must have parameters that its logits depend on", got=f"{len(trained)} that are trained"
        )
    module.zero_grad(set_to_none=True)


def _answers(module: nn.Module, batch: Tensor, classes: int, where: str) -> None:
    training = next((name for name, part in module.named_modules() if part.training), None)
    if training is not None:
        advice = "Its train() must set the mode of all its layers."
        raise ModelError(where, "must have no layer in training mode when it is evaluated", got=training, advice=advice)
    with torch.inference_mode():
        must_be_finite(_logits(module(batch), len(batch), classes, where), where)
        must_repeat(module, module, batch, where)


def _logits(answer: object, rows: int, classes: int, where: str) -> Tensor:
    logits = logits_from(answer, rows, where)
    if logits.shape[1] != classes:
        must = f"must give one logit for each of the data's {classes} classes"
        raise ModelError(
            where, must, got=f"{logits.shape[1]} logits", advice="Set its number of classes in student.args."
        )
    return logits
