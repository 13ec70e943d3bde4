"""kdeploy label: the teacher's logits over the transfer set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.cli.stage_verb import Follow, stage_verb
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.api import FinishedRun


def show(run: FinishedRun, follow: Follow) -> None:
    from kdeploy.cli import output
    from kdeploy.outputs.by_name import kind_of

    record = run.labels
    agreement = "-" if record.agreement is None else numbers.percent(record.agreement)
    right = f"right on {agreement} of the labelled inputs"
    if run.teacher.record.outputs != "classes":
        right = f"{kind_of(run.teacher.record.outputs).metric} {agreement} on the labelled inputs"
    output.line(f"labels: {record.rows} rows, {numbers.size(record.bytes)}; {right}")
    output.next_command(follow("distill"))


command = stage_verb(
    "labels",
    "Train or take in the teacher, and store its logits on every view of the transfer set.",
    lambda run: run.labels,
    show,
)
