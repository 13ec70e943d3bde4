"""A student that was built elsewhere, tried before anything is labelled for it.

Two batches go through it, as in training and as in use, it is exported, and it answers in float64: whatever a run would
refuse after hours is refused here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.graphs import export
from kdeploy.models import students
from kdeploy.models.answering import must_end_linear
from kdeploy.models.answers import logits_from, must_be_finite, must_repeat
from kdeploy.models.students import StudentOptions
from kdeploy.outputs.terms import OutputsName
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system.user_code import calling

ROWS = 3


def run(
    options: StudentOptions, *, name: str, inputs: Tensor, outputs: OutputsName, width: int, ends_linear: bool
) -> None:
    """Try a student.

    Args:
        name: of the input.
        inputs: preprocessed samples, float32 (at least 6, *shape).
        outputs, width: the kind of outputs and how many it must give.
        ends_linear: must its last layer be one that can be changed?
    Raises: ModelError or ParityError for a network that cannot be a student of these data, MeasuredError for one that
        answers differently when it is asked twice; MissingError for a package that is not here.
    """
    shape, where = inputs.shape[1:], f"student.{options.family} {options.arguments['name']}"
    channels = shape[0]
    network = students.described(options, shape=shape, classes=width, mean=[0.5] * channels, std=[0.25] * channels)
    module = students.seeded(network, 0)
    batches = [inputs[:ROWS], inputs[ROWS : 2 * ROWS]]
    with calling(where, f"must take inputs of shape (batch, {', '.join(map(str, shape))})"):
        _learns(module.train(), _Expected(outputs, width, where), batches[0])
        _answers(module.eval(), _Expected(outputs, width, where), batches[1])
        if ends_linear:
            must_end_linear(module, batches[0], where)
        with torch.inference_mode():
            module.double()(batches[0].double())
    with scratch_folder() as folder:
        export.write(module.float(), folder / "student.onnx", input_name=name, shape=shape, called=where)


class _Expected(NamedTuple):
    """What a student must answer with: so many outputs of a kind; `where` is what messages call it."""

    outputs: OutputsName
    width: int
    where: str


def _learns(module: nn.Module, expected: _Expected, batch: Tensor) -> None:
    """Some parameter that is trained must get a gradient from the outputs."""
    torch.autograd.backward(_outputs(module(batch), expected, len(batch)).square().mean())
    trained = [value for value in module.parameters() if value.requires_grad]
    if not any(value.grad is not None for value in trained):
        must = "must have parameters that its outputs depend on"
        raise ModelError(expected.where, must, got=f"{len(trained)} that are trained")
    module.zero_grad(set_to_none=True)


def _answers(module: nn.Module, expected: _Expected, batch: Tensor) -> None:
    training = next((name for name, part in module.named_modules() if part.training), None)
    if training is not None:
        must, advice = "must have no layer in training mode when it is evaluated", "Its train() must reach every layer."
        raise ModelError(expected.where, must, got=training, advice=advice)
    with torch.inference_mode():
        must_be_finite(_outputs(module(batch), expected, len(batch)), expected.where)
        must_repeat(module, module, batch, expected.where)


def _outputs(answer: object, expected: _Expected, rows: int) -> Tensor:
    outputs = logits_from(answer, rows, expected.where)
    if outputs.shape[1] != expected.width:
        one = "value" if expected.outputs == "values" else "logit"
        must = f"must give one {one} for each of the data's {expected.width} {expected.outputs}"
        advice = "Set the number of its outputs in student.args."
        raise ModelError(expected.where, must, got=f"{outputs.shape[1]} {one}s", advice=advice)
    return outputs
