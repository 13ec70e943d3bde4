"""A student from outside is tried before anything is labelled: each thing that a run would meet later is met here."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kdeploy.errors import KdeployError
from kdeploy.models.students import StudentOptions
from kdeploy.stages import student_trial

INPUTS = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A classifier of 64 numbers, up to what it does with its logits."""

    def __init__(self, kind: str, classes: int = 3) -> None:
        super().__init__()
        self.kind, self.last, self.calls = kind, nn.Linear(64, classes), 0
        self.inner = nn.Dropout(0.0)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        if self.kind == "stays in training":
            self.inner.train()
        return self

    def forward(self, batch: Tensor) -> object:
        logits = self.last(self.inner(batch.flatten(1)))
        match self.kind:
            case "counts":
                self.calls += 1
                return logits + self.calls
            case "pair":
                return logits, logits
            case "constant":
                return torch.ones(len(batch), 3, requires_grad=True) * 2
            case "decides by values":
                return logits if float(logits.detach().sum()) > 0 else -logits
            case "one precision":
                return logits.float() @ torch.eye(3)[: logits.shape[1]] if logits.dtype == torch.float32 else _never()
        return logits


def _never() -> Tensor:
    raise TypeError("only float32")


def build(kind: str = "", classes: int = 3) -> nn.Module:
    return Net(kind, classes)


def _options(**arguments: object) -> StudentOptions:
    name = f"{__name__}:build"
    return StudentOptions("torch", {"name": name, "args": arguments, "pretrained": False, "bottleneck": None})


def test_a_network_that_can_be_a_student_passes():
    student_trial.run(_options(), name="image", inputs=INPUTS, outputs="classes", width=3, ends_linear=False)


def test_a_bottleneck_is_tried_with_it():
    options = _options()
    options = options._replace(arguments={**options.arguments, "bottleneck": {"layer": "last", "rank": 2}})
    student_trial.run(options, name="image", inputs=INPUTS, outputs="classes", width=3, ends_linear=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"classes": 4},
            "must give one logit for each of the data's 3 classes (4 logits). Set the number of its outputs in "
            "student.args.",
        ),
        (
            {"kind": "stays in training"},
            "must have no layer in training mode when it is evaluated (net.inner). Its train() must reach every layer.",
        ),
        (
            {"kind": "pair"},
            "must answer with logits, one tensor of floats of shape (batch, classes), for 3 inputs (tuple).",
        ),
        (
            {"kind": "constant"},
            "must have parameters that its outputs depend on (2 that are trained).",
        ),
        (
            {"kind": "counts"},
            "must answer the same when it is asked twice in evaluation mode (its logits differ by up to 1). Take out "
            "what is random or counts its calls, and make what it computes with parameters or buffers.",
        ),
    ],
)
def test_what_cannot_be_a_student_is_refused(arguments: dict[str, object], message: str):
    with pytest.raises(KdeployError) as caught:
        student_trial.run(
            _options(**arguments), name="image", inputs=INPUTS, outputs="classes", width=3, ends_linear=False
        )
    assert str(caught.value) == f"student.torch {__name__}:build: {message}"


def test_what_raises_is_told_as_its_own_fault():
    with pytest.raises(KdeployError) as caught:
        student_trial.run(
            _options(kind="one precision"), name="image", inputs=INPUTS, outputs="classes", width=3, ends_linear=False
        )
    assert "must take inputs of shape (batch, 1, 8, 8)" in str(caught.value)
    assert "only float32" in str(caught.value)


def test_what_torch_cannot_export_is_refused():
    with pytest.raises(KdeployError) as caught:
        student_trial.run(
            _options(kind="decides by values"),
            name="image",
            inputs=INPUTS,
            outputs="classes",
            width=3,
            ends_linear=False,
        )
    where, must = f"student.torch {__name__}:build", "must be a network that torch can export"
    assert (caught.value.where, caught.value.must) == (where, must)


def test_a_student_whose_last_layer_is_changed_must_have_one():
    options = StudentOptions("torch", {**_options().arguments, "name": f"{__name__}:build_sigmoid"})
    with pytest.raises(KdeployError) as caught:
        student_trial.run(options, name="image", inputs=INPUTS, outputs="values", width=3, ends_linear=True)
    assert str(caught.value) == (
        f"student.torch {__name__}:build_sigmoid: must end in a linear layer with a bias, for values or "
        "distill.match_prior (its outputs come from elsewhere). Put such a layer at its end."
    )


def build_sigmoid() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Sigmoid())
