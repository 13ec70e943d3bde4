"""Do two models agree on real inputs? One row a link of the chain, and the record of `kdeploy verify`."""

from __future__ import annotations

from typing import ClassVar, Literal

from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.base import Part, Record, Unavailable
from kdeploy.records.precision import Cost
from kdeploy.records.table import Row, Table


class NodeDifference(Part):
    """The first node whose output is not what it must be: how far off it is, and what it may be off by.

    Without an operator it is a file: the graph is right, on this runtime too, and what was converted from it is not.
    """

    name: str
    operator: str
    output: str
    error: float
    budget: float

    @property
    def words(self) -> str:
        """The node as messages name it; one without a name goes by its output."""
        if not self.operator:
            return f"the converted file {self.name!r}"
        return f"node {(self.name or self.output)!r} ({self.operator})"


class Family(Part):
    """Inputs made to break a model, such as denormals, with the budget of their own scale; flips do not count."""

    name: str
    inputs: int
    max_abs_error: float
    budget: float
    flips: int
    worst_input: int
    passed: bool


class Fault(Part):
    """What fails apart from the comparison on real inputs, as the clauses of a message."""

    kind: Literal["mode", "batch", "repetition", "place", "layout", "family", "preprocessing"]
    must: str
    got: str
    advice: str


class ParityRow(Part):
    """One model through one runtime against the float64 oracle, on real inputs.

    `budget` = 8 x `float32_error` + 1e-6 x `scale` for fp32, `scale` the largest absolute oracle logit on the inputs;
    other precisions have their own row in `kdeploy.parity.budget.BUDGETS`.
    `flips` counts inputs whose top-1 differs although the oracle's margin exceeds the measured error. `worst_name` is
    the name of the worst input, where it has one. `oracle` says who computed what must be answered, and how.
    `propagates_nan`: does NaN in give NaN out? None: it was not tried.
    """

    model: str
    runtime: str
    inputs: int
    batches: tuple[int, ...]
    max_abs_error: float
    float32_error: float
    scale: float
    budget: float
    agreement: float
    flips: int
    worst_input: int
    passed: bool
    precision: str = "fp32"
    against: str = "the trained network"
    oracle: str = "float64"
    worst_name: str | None = None
    first_node: NodeDifference | None = None
    families: tuple[Family, ...] = ()
    fault: Fault | None = None
    propagates_nan: bool | None = None

    @property
    def key(self) -> str:
        """The format as people write it: `openvino`, `onnxruntime:int8`."""
        return str(FormatRequest(self.runtime, self.precision))


class VerifyRecord(Table, Record):
    SCHEMA: ClassVar[str] = "kdeploy.verify/2.1"

    rows: tuple[ParityRow, ...]
    versions: dict[str, str]
    costs: tuple[Cost, ...] = ()  # of the formats in another precision than fp32, on the test inputs
    unavailable: tuple[Unavailable, ...] = ()  # `MODEL on RUNTIME`: what did not run there, and why

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def to_rows(self) -> list[Row]:
        """A row for each model and runtime; errors are absolute differences of logits."""
        figures = ("inputs", "max_abs_error", "budget", "agreement", "flips", "passed")
        return [
            {name: getattr(row, name) for name in ("model", "runtime", "precision", "against", *figures)}
            for row in self.rows
        ]
