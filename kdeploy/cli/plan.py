"""kdeploy plan: what would run, and how large it would be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Rehash, Runs, Set, Subject, Trust
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.records.plan import PlannedStage, PlannedTeacher, PlannedTime, PlanRecord, SpeedPreview

Speed = Annotated[
    bool,
    typer.Option("--speed", help="Time an untrained student against the teacher: about a minute a runtime."),
]

Timed = Annotated[
    bool,
    typer.Option("--time/--no-time", help="Do every stage small, to say how long it takes; under a minute."),
]


def command(
    subject: Subject,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    speed: Speed = False,
    timed: Timed = True,
    rehash: Rehash = False,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do, and what it takes: time, memory, disk, label store, multiply-adds. Keeps nothing."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched() as progress:
        asked = replace(options.options(runs, data_root, set_, trust, progress), rehash=rehash)
        record = api.plan(subject, asked, speed=speed, timed=timed)
    if as_json:
        output.record(record)
        return
    _show(record)
    output.next_command(following("run", subject, runs=runs, data_root=data_root, set_=set_, trust=trust))


def _show(record: PlanRecord) -> None:
    from kdeploy.cli import output

    output.table(
        record.name, ("stage", "fingerprint", "", "time", "memory", "disk"), [_row(stage) for stage in record.stages]
    )
    show_time(record.time)
    if record.duplicates is not None and record.duplicates.any:
        output.line(record.duplicates.sentence)
    for line in record.assumed:
        output.line(f"assumed: {line}")
    size = "unknown until the teacher is made" if record.label_bytes is None else numbers.size(record.label_bytes)
    output.line(f"label store: {record.label_rows} rows, {size}")
    for teacher in record.teachers:
        output.line(f"{teacher.stage} {teacher.name}: {_labelling(teacher)}")
    for sentence in record.missing:
        output.line(f"missing: {sentence}")
    if record.student_parameters is None or record.student_multiply_adds is None:
        output.line("student: its sizes are not known without what is missing")
    else:
        count = numbers.millions(record.student_multiply_adds)
        output.line(f"student: {record.student_parameters} parameters, {count} multiply-adds")
    if record.break_even is not None and record.fused_multiply_adds is not None:
        output.line(
            f"bottleneck: k {record.bottleneck}, break-even {numbers.whole(record.break_even)}; "
            f"fused it would be {numbers.millions(record.fused_multiply_adds)} multiply-adds"
        )
    if record.speed_preview is not None:
        _speed_preview(record.speed_preview)


def _row(stage: PlannedStage) -> tuple[str, ...]:
    if stage.done or stage.cost is None:
        return stage.stage, stage.fingerprint, "done" if stage.done else "to do", "-", "-", "-"
    cost = stage.cost
    took = numbers.duration(cost.seconds), numbers.size(cost.memory_bytes), numbers.size(cost.disk_bytes)
    return stage.stage, stage.fingerprint, "to do", *took


def show_time(time: PlannedTime) -> None:
    """Print what all that is to do will take, and of a long run what makes it shorter."""
    from kdeploy.cli import output

    output.line(_estimate(time))
    for sentence in time.shorter:
        output.line(f"long: {sentence}")


def _estimate(time: PlannedTime) -> str:
    """What all that is to do will take, in a line."""
    if time.seconds is None or time.memory_bytes is None or time.disk_bytes is None:
        return f"time, memory and disk: not known, {time.reason}"
    if not time.seconds:
        return f"time, memory and disk: none, {time.reason}"
    whole, memory = numbers.duration(time.seconds), numbers.size(time.memory_bytes)
    line = f"about {whole} here, {memory} of memory at most, {numbers.size(time.disk_bytes)} of disk"
    return f"{line} (found out in {numbers.duration(time.estimate_seconds)})"


def _labelling(teacher: PlannedTeacher) -> str:
    """How long the teacher's labels take, or why that is not known or not asked."""
    if teacher.rows_per_second is None or teacher.label_seconds is None:
        return teacher.reason
    speed, duration = numbers.whole(teacher.rows_per_second), numbers.seconds(teacher.label_seconds)
    return f"about {speed} rows a second here, {duration} for its {teacher.label_rows} labels"


def _speed_preview(preview: SpeedPreview) -> None:
    from kdeploy.cli import output
    from kdeploy.cli.summary import speeds

    if preview.reason:
        output.line(f"speed: not known, {preview.reason}")
        return
    both = " and an untrained teacher" if preview.untrained_teacher else ""
    output.line(f"speed: an untrained student{both}; latency depends on sizes, not on weights")
    output.line(f"bottleneck: would ship {preview.bottleneck}")
    # every preview is short and knows no accuracy, so these reasons say nothing
    speeds([row if row.status == "refused" else row.model_copy(update={"reasons": ()}) for row in preview.bench])
    if preview.gate is not None:
        missed = "cannot be told" if preview.gate.measured is None else "would NOT be met"
        output.line(f"gate: min_speedup {'would be met' if preview.gate.passed else missed} ({preview.gate.text})")
