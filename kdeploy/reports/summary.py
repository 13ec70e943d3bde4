"""The results of a run: its records in, one `Summary` out. Nothing is measured or decided here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from kdeploy.evaluation import doubts
from kdeploy.evaluation.gate import drop_points
from kdeploy.records.base import Unavailable
from kdeploy.records.bench import BenchRecord, Comparison, Ratio
from kdeploy.records.distill import DistillRecord, Network, accuracies_of, mean_accuracy
from kdeploy.records.export import ExportRecord, Form, Model
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.records.report import (
    BaselineScore,
    BenchRow,
    BottleneckScore,
    FormCost,
    GateResult,
    MachineSummary,
    ParitySummary,
    SeedScore,
    StudentScore,
    Summary,
    TeacherScore,
)
from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherRecord


@dataclass(frozen=True)
class RunRecords:
    """The records of one run; those of stages that were left out are None."""

    samples: SamplesRecord
    teacher: TeacherRecord
    distill: DistillRecord
    export: ExportRecord
    verify: VerifyRecord | None = None
    bench: BenchRecord | None = None


def summarise(
    records: RunRecords,
    *,
    name: str,
    recipe: Mapping[str, Any],
    stages_run: Sequence[str],
    gate: Sequence[GateResult],
    bundle: str | None,
    bundle_reason: str = "",
) -> Summary:
    """The summary of a run.

    Args:
        records: those of its stages.
        name, recipe: the recipe's name and its settings, overrides included.
        stages_run: those that were done now, in order; the others were reused.
        gate: what `kdeploy.evaluation.gate.check` answered.
        bundle: path of the bundle relative to `runs/`, or None.
        bundle_reason: why there is no bundle.
    """
    distill, export = records.distill, records.export
    return Summary(
        name=name,
        recipe=dict(recipe),
        stages_run=tuple(stages_run),
        samples=records.samples.counts,
        duplicates=records.samples.duplicates,
        doubts=doubts.of_run(records.teacher, distill),
        assumed=(*records.samples.assumed, *records.teacher.assumed),
        teacher=_teacher(records.teacher, export.teacher),
        student=_student(distill, export.student),
        baseline=_baseline(distill, export.baseline),
        drop_points=drop_points(records.teacher.test_accuracy, accuracies_of(distill.students)),
        gap=distill.gap,
        agreement=distill.agreement,
        verdict=distill.verdict,
        bottleneck=BottleneckScore(**export.bottleneck.model_dump(), forms=tuple(map(_form, export.forms))),
        bench=bench_rows(records.bench),
        parity=tuple(ParitySummary.model_validate(row.model_dump()) for row in _parity_rows(export, records.verify)),
        bundle=bundle,
        gate=tuple(gate),
        machine=_machine(records),
        unavailable=tuple(_unavailable(records, bundle, bundle_reason)),
        outputs=distill.outputs,
    )


def bench_rows(bench: BenchRecord | None) -> tuple[BenchRow, ...]:
    """One row a comparison, with the medians of its two arms; none when nothing was timed."""
    return () if bench is None else tuple(_bench_row(bench, comparison) for comparison in bench.comparison)


def _teacher(record: TeacherRecord, model: Model) -> TeacherScore:
    return TeacherScore(
        name=record.name,
        test_accuracy=record.test_accuracy,
        held_out_accuracy=record.held_out_accuracy,
        parameters=model.parameters,
        multiply_adds=model.multiply_adds,
        bytes=model.bytes,
        others=record.others,
    )


def _student(distill: DistillRecord, model: Model) -> StudentScore:
    return StudentScore(
        test_accuracy=mean_accuracy(distill.students),
        test_agreement=fmean(network.test_agreement for network in distill.students),
        parameters=model.parameters,
        multiply_adds=model.multiply_adds,
        bytes=model.bytes,
        per_seed=tuple(map(_seed, distill.students)),
        exported_seed=distill.chosen_seed,
        others=_others(distill.students),
    )


def _baseline(distill: DistillRecord, model: Model | None) -> BaselineScore | None:
    """The networks without a teacher; the one that is exported shares its seed with the student."""
    if not distill.baselines:
        return None
    return BaselineScore(
        test_accuracy=mean_accuracy(distill.baselines),
        test_agreement=fmean(network.test_agreement for network in distill.baselines),
        parameters=distill.parameters if model is None else model.parameters,
        multiply_adds=None if model is None else model.multiply_adds,
        bytes=None if model is None else model.bytes,
        per_seed=tuple(map(_seed, distill.baselines)),
        exported_seed=None if model is None else distill.chosen_seed,
        others=_others(distill.baselines),
    )


def _others(networks: Sequence[Network]) -> dict[str, float]:
    return {name: fmean(network.others[name] for network in networks) for name in networks[0].others}


def _seed(network: Network) -> SeedScore:
    return SeedScore(
        seed=network.seed,
        test_accuracy=network.test_accuracy,
        test_agreement=network.test_agreement,
        held_out_accuracy=network.held_out_accuracy,
        held_out_agreement=network.held_out_agreement,
    )


def _form(form: Form) -> FormCost:
    return FormCost(
        form=form.form,
        parameters=form.model.parameters,
        multiply_adds=form.model.multiply_adds,
        bytes=form.model.bytes,
        latency_ns=form.latency_ns,
    )


def _bench_row(bench: BenchRecord, comparison: Comparison) -> BenchRow:
    ratio = comparison.ratio
    low, high = _bounds(ratio)
    null_low, null_high = _bounds(comparison.aa_null)
    return BenchRow(
        runtime=comparison.runtime,
        batch=comparison.batch,
        threads=comparison.threads,
        ratio=ratio.value if ratio else None,
        seen=comparison.seen,
        low=low,
        high=high,
        level=ratio.level if ratio else None,
        pairs=ratio.n_pairs if ratio else 0,
        status=comparison.claim.status,
        reasons=tuple(reason.text for reason in comparison.claim.reasons),
        claim=comparison.claim.text,
        teacher_ns=_median_ns(bench, comparison.baseline),
        student_ns=_median_ns(bench, comparison.candidate),
        null_low=null_low,
        null_high=null_high,
    )


def _bounds(ratio: Ratio | None) -> tuple[float | None, float | None]:
    return (None, None) if ratio is None or ratio.ci is None else ratio.ci


def _median_ns(bench: BenchRecord, arm: str) -> int | None:
    latency = bench.arm(arm).latency_ns
    return None if latency is None else latency.median.value


def _parity_rows(export: ExportRecord, verify: VerifyRecord | None) -> list[ParityRow]:
    """The rows of verify, then those of the export that verify did not repeat."""
    rows = list(verify.rows) if verify else []
    done = {(row.model, row.runtime) for row in rows}
    exported = (row for form in export.forms for row in form.parity)
    return rows + [row for row in exported if (row.model, row.runtime) not in done]


def _machine(records: RunRecords) -> MachineSummary:
    bench, verify = records.bench, records.verify
    runtimes = (verify.versions if verify else {}) | (bench.software.runtimes if bench else {})
    return MachineSummary(host=bench.host if bench else None, software=records.distill.software, runtimes=runtimes)


def _unavailable(records: RunRecords, bundle: str | None, bundle_reason: str) -> Iterator[Unavailable]:
    if records.verify is None:
        yield Unavailable(field="verify", reason="the runtimes were not compared on real inputs")
    if records.bench is None:
        yield Unavailable(field="bench", reason="nothing was timed")
    if not records.distill.baselines:
        yield Unavailable(field="baseline", reason=records.distill.verdict.reason)
    if bundle is None:
        yield Unavailable(field="bundle", reason=bundle_reason)
    if records.bench is not None:
        yield from records.bench.unavailable
