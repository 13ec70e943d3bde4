"""kdeploy distill: up to the trained students, the baselines and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.cli.stage_verb import Follow, stage_verb
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.api import FinishedRun


def show(run: FinishedRun, follow: Follow) -> None:
    from kdeploy.cli import output
    from kdeploy.cli.summary import verdict_words

    record = run.distill
    networks = [("student", network) for network in record.students] + [
        ("baseline", network) for network in record.baselines
    ]
    output.table(
        "distilled",
        ("net", "seed", f"test {record.kind.metric}", "agrees with the teacher"),
        [
            (role, str(network.seed), numbers.percent(network.test_accuracy), numbers.percent(network.test_agreement))
            for role, network in networks
        ],
    )
    output.line(f"verdict: {verdict_words(record.verdict)}")
    output.line(f"chosen: seed {record.chosen_seed}, which {record.chosen_because}")
    output.next_command(follow("export"))


command = stage_verb(
    "distill",
    "Train the students on the teacher's logits, and the same networks without a teacher; say which is better.",
    lambda run: run.distill,
    show,
)
