"""The record of a distillation: students, baselines, the verdict, the seed that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.kind import Kind
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part, Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.software import ComputedOn
from kdeploy.records.table import Row, Table
from kdeploy.records.teacher import Training

Family = Literal["shallow", "compact", "torch", "timm", "torchvision", "huggingface"]


class StudentNetwork(Part):
    """What builds a student again: its family, and the arguments of kdeploy.models.students for that."""

    family: Family
    arguments: dict[str, Any]

    @property
    def code(self) -> str:
        """The module of the user's that builds it, of family torch."""
        return str(self.arguments["name"]).partition(":")[0]


class Network(Part):
    """One trained network. `logits` names the .npy of its outputs on the test part, in order."""

    seed: int
    file: str
    sha256: str
    logits: str
    test_accuracy: float | None  # what the kind of outputs calls quality; null where nothing is labelled
    held_out_accuracy: float | None
    held_out_agreement: float  # with the teacher's top-1
    test_agreement: float
    training: Training
    others: Mapping[str, float] = Field(default_factory=dict)  # further qualities on the test part, by name
    prior_bias: tuple[float, ...] | None = None  # what was added to the logits' biases, when that was asked for
    unmatched_test_accuracy: float | None = None  # without it
    curve: tuple[
        float, ...
    ] = ()  # test accuracy, or agreement without labels, after each epoch of the transfer set, when that was asked for

    @property
    def quality(self) -> float:
        """Test accuracy; where nothing is labelled agreement with the teacher."""
        return self.test_agreement if self.test_accuracy is None else self.test_accuracy


class Scored(Protocol):
    """What has a test accuracy, null where nothing is labelled."""

    @property
    def test_accuracy(self) -> float | None: ...


def accuracies_of(networks: Sequence[Scored]) -> tuple[float, ...]:
    """The test accuracies, fractions of 1; empty where nothing is labelled."""
    return tuple(network.test_accuracy for network in networks if network.test_accuracy is not None)


def mean_accuracy(networks: Sequence[Network]) -> float | None:
    """The mean test accuracy; None where there is no network, or no label."""
    accuracies = accuracies_of(networks)
    return fmean(accuracies) if accuracies else None


class Verdict(Part):
    """Is the student better than the same network without a teacher? Differences of test accuracy, fractions of 1.

    `seeds_interval`: Student's t over seeds; `inputs_interval`: bootstrap over test inputs of the seed-averaged
    difference. Both at `level`. Null when there is no baseline, with fewer than three seeds (`seeds_interval`), or
    without any label, as then nothing can be said about accuracy.
    """

    status: Literal["BETTER", "WORSE", "NO EVIDENCE"]
    difference: float | None
    seeds_interval: tuple[float, float] | None
    inputs_interval: tuple[float, float] | None
    level: float
    reason: str
    not_covered: str


class Gap(Part):
    """The students' mean test accuracy minus the teacher's; the interval is a bootstrap over test inputs."""

    difference: float
    inputs_interval: tuple[float, float]
    level: float


class Agreement(Part):
    """Of how many test inputs the exported student says what the teacher says; `interval` is Wilson's at `level`.

    `share`: where that is no count, what the kind of outputs calls agreement, with a bootstrap's interval over inputs.
    """

    agreed: int | None
    inputs: int
    interval: tuple[float, float]
    level: float
    share: float | None = None

    @property
    def value(self) -> float:
        return self.share or 0.0 if self.agreed is None else self.agreed / self.inputs


class DistillRecord(Table, Record):
    """A distillation. Files beside it: `student-<seed>.safetensors`, as many of `baseline`, and their test logits."""

    SCHEMA: ClassVar[str] = "kdeploy.distill/4"
    APART: ClassVar[str] = "*.json"  # what the stage went on from: read while it was not done, and has times in it

    outputs: OutputsName = "classes"
    student: StudentNetwork
    preprocessing: Preprocessing
    parameters: int
    loss: str
    epochs: int
    steps: int
    students: tuple[Network, ...]
    baselines: tuple[Network, ...]
    verdict: Verdict
    gap: Gap | None  # null where nothing is labelled
    agreement: Agreement
    chosen_seed: int
    chosen_because: str
    software: ComputedOn

    @property
    def kind(self) -> Kind:
        """The kind of outputs."""
        return kind_of(self.outputs)

    @property
    def chosen(self) -> Network:
        return next(network for network in self.students if network.seed == self.chosen_seed)

    def to_rows(self) -> list[Row]:
        """A row for each trained network: the students, then the baselines."""
        roles = [("student", network) for network in self.students] + [
            ("baseline", network) for network in self.baselines
        ]
        columns = ("seed", "test_accuracy", "held_out_accuracy", "test_agreement", "held_out_agreement")
        return [{"role": role, **{name: getattr(network, name) for name in columns}} for role, network in roles]
