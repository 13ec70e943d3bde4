"""kdeploy plan: what would run, and how large it would be."""

from __future__ import annotations

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Subject, Trust


def command(
    subject: Subject,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do: stages, label store, multiply-adds, the bottleneck's break-even. Does no work."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched() as progress:
        record = api.plan(subject, options.options(runs, data_root, set_, trust, progress))
    if as_json:
        output.record(record)
        return
    rows = [(stage.stage, stage.fingerprint, "done" if stage.done else "to do") for stage in record.stages]
    output.table(record.name, ("stage", "fingerprint", ""), rows)
    if record.duplicates is not None and record.duplicates.any:
        output.line(record.duplicates.sentence)
    output.line(f"label store: {record.label_rows} rows, {output.size(record.label_bytes)}")
    count = output.millions(record.student_multiply_adds)
    output.line(f"student: {record.student_parameters} parameters, {count} multiply-adds")
    if record.break_even is not None and record.fused_multiply_adds is not None:
        output.line(
            f"bottleneck: k {record.bottleneck}, break-even {record.break_even:.0f}; "
            f"fused it would be {output.millions(record.fused_multiply_adds)} multiply-adds"
        )
    output.next_command(f"kdeploy run {subject}")
