"""Plausible records of a whole run, for the tests of the gate, the summary and the report."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from kdeploy.evaluation import gate
from kdeploy.recipe.models import Gate
from kdeploy.records import bench as b
from kdeploy.records import circumstances
from kdeploy.records.base import Unavailable
from kdeploy.records.decisions import Decisions, Disagreement, Taken
from kdeploy.records.distill import Agreement, DistillRecord, Gap, Network, StudentNetwork, Verdict
from kdeploy.records.export import Bottleneck, ExportRecord, Fold, Form, Format, Model
from kdeploy.records.parity import ParityRow, VerifyRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.report import Summary
from kdeploy.records.samples import InputInfo, SamplesRecord
from kdeploy.records.software import ComputedOn
from kdeploy.records.teacher import TeacherRecord, Training
from kdeploy.reports.summary import RunRecords, summarise
from kdeploy.timing.raw import Block, RawWriter

SHA = "0" * 64
SOFTWARE = ComputedOn(device="cpu", threads=2, precision="fp32", versions={"torch": "2.13.0", "numpy": "2.4.1"})
IMAGE = Preprocessing(input="image", kind="image", shape=(1, 28, 28), dtype="uint8", scale=1 / 255)
DIGITS = tuple(str(digit) for digit in range(10))
RECIPE = {"name": "mnist-5k", "gate": {"max_drop": 1.0, "min_speedup": 5.0}}
SAMPLES = {"labeled": 500, "unlabeled": 2300, "held_out": 200, "test": 2000}
MEDIANS_NS = {"onnxruntime": (1_634_000, 241_000), "openvino": (1_312_000, 187_500)}


def samples(**changes: object) -> SamplesRecord:
    record = SamplesRecord(
        source={"numpy": "digits.npz"},
        content_sha256=SHA,
        sample_hash=SHA,
        inputs={"image": InputInfo(kind="image", shape=(1, 28, 28), dtype="uint8")},
        class_names=DIGITS,
        counts=SAMPLES,
        split_seed=0,
    )
    return record.model_copy(update=changes)


def teacher(**changes: object) -> TeacherRecord:
    record = TeacherRecord(
        origin="model",
        name="deep-cnn",
        file="teacher.safetensors",
        sha256=SHA,
        preprocessing=IMAGE,
        class_names=DIGITS,
        parameters=288_170,
        test_accuracy=0.9705,
        held_out_accuracy=0.975,
        training=Training(steps=600, final_loss=0.012, duration_ns=60_000_000_000),
        software=SOFTWARE,
    )
    return record.model_copy(update=changes)


def net(seed: int, accuracy: float, agreement: float) -> Network:
    return Network(
        seed=seed,
        file=f"student-{seed}.safetensors",
        sha256=SHA,
        logits=f"student-{seed}.npy",
        test_accuracy=accuracy,
        held_out_accuracy=0.965,
        held_out_agreement=0.98,
        test_agreement=agreement,
        training=Training(steps=44_800, final_loss=0.05, duration_ns=90_000_000_000),
    )


def distill(**changes: object) -> DistillRecord:
    record = DistillRecord(
        student=StudentNetwork(family="shallow", arguments={"bottleneck": 64, "hidden": [512]}),
        preprocessing=IMAGE,
        parameters=440_714,
        loss="logit-mse",
        epochs=32,
        steps=44_800,
        students=(net(0, 0.9675, 0.981), net(1, 0.966, 0.979), net(2, 0.9685, 0.983)),
        baselines=(net(0, 0.9445, 0.948), net(1, 0.942, 0.946), net(2, 0.9465, 0.951)),
        verdict=Verdict(
            status="BETTER",
            difference=0.023,
            seeds_interval=(0.0205, 0.0255),
            inputs_interval=(0.0145, 0.0315),
            level=0.95,
            reason="Both 95 % intervals lie above 0.",
            not_covered="One teacher and one split of the data.",
        ),
        gap=Gap(difference=-0.0047, inputs_interval=(-0.0092, -0.0004), level=0.95),
        agreement=Agreement(agreed=983, inputs=1000, interval=(0.9730, 0.9894), level=0.95),
        chosen_seed=2,
        chosen_because="It agrees most with the teacher on the held-out inputs (98.50 %).",
        software=SOFTWARE,
    )
    return record.model_copy(update=changes)


def model(file: str, size: int, multiply_adds: int, parameters: int) -> Model:
    return Model(
        file=file,
        sha256=SHA,
        bytes=size,
        multiply_adds=multiply_adds,
        parameters=parameters,
        opset=18,
        ir_version=10,
        uncounted={},
    )


def parity_row(name: str, runtime: str, **changes: object) -> ParityRow:
    row = ParityRow(
        model=name,
        runtime=runtime,
        inputs=256,
        batches=(1, 7),
        max_abs_error=4.3e-06,
        float32_error=3.1e-06,
        scale=18.5,
        budget=4.33e-05,
        agreement=1.0,
        flips=0,
        worst_input=17,
        passed=True,
    )
    return row.model_copy(update=changes)


def export(**changes: object) -> ExportRecord:
    factored = model("student.factored.onnx", 1_764_300, 1_066_496, 440_714)
    fused = model("student.fused.onnx", 12_870_000, 3_843_584, 3_217_226)
    record = ExportRecord(
        student=model("student.onnx", 1_764_300, 1_066_496, 440_714),
        teacher=model("teacher.onnx", 1_156_400, 25_289_984, 288_170),
        baseline=model("baseline.onnx", 1_764_300, 1_066_496, 440_714),
        forms=(
            Form(form="fused", model=fused, latency_ns=812_000, parity=(parity_row("student.fused", "reference"),)),
            Form(
                form="factored",
                model=factored,
                latency_ns=240_000,
                parity=(parity_row("student.factored", "reference"),),
            ),
        ),
        folds=(
            Fold(model="student", name="normalisation", done=True, reason="exact: the scale goes into the weights"),
            Fold(model="teacher", name="batch norm", done=True, reason="6 batch norms went into convolutions"),
            Fold(
                model="teacher",
                name="normalisation",
                done=False,
                reason="zero padding makes it inexact at the border of the first convolution",
            ),
            Fold(model="student", name="batch norm", done=False, reason="there is none", applies=False),
        ),
        formats=(Format(model="student", runtime="openvino", file="formats/openvino/model.xml", bytes=1_790_000),),
        bottleneck=Bottleneck(
            shipped="factored",
            reason="k 64 is below the break-even 473, and it is faster: 0.240 ms against 0.812 ms fused.",
            break_even=473.2,
            width=64,
            inputs=6272,
            outputs=512,
        ),
        preprocessing=IMAGE,
        teacher_preprocessing=IMAGE,
        class_names=DIGITS,
        output="logits",
    )
    return record.model_copy(update=changes)


def verify(**changes: object) -> VerifyRecord:
    rows = tuple(parity_row(name, runtime) for name in ("student", "teacher") for runtime in MEDIANS_NS)
    record = VerifyRecord(rows=rows, versions={"onnxruntime": "1.32.0", "openvino": "2026.4.0"})
    return record.model_copy(update=changes)


def decisions(**changes: object) -> Decisions:
    """The student takes one 3 for a 5, and four 7 for a 1 that the teacher takes for a 9."""
    right = tuple(Taken(given=place, answer=place, count=199) for place in range(10))
    record = Decisions(
        class_names=DIGITS,
        inputs=1995,
        labeled=1995,
        differing=5,
        of_teacher=(*right, Taken(given=3, answer=5, count=1), Taken(given=9, answer=1, count=4)),
        of_labels=(*right, Taken(given=3, answer=5, count=1), Taken(given=7, answer=1, count=4)),
        teacher_of_labels=(*right, Taken(given=3, answer=3, count=1), Taken(given=7, answer=9, count=4)),
        differences=tuple(
            Disagreement(
                sample=sample,
                label=7 if teacher == 9 else 3,
                teacher=teacher,
                teacher_probability=0.93,
                student=student,
                student_probability=0.617,
            )
            for sample, teacher, student in ((2801, 9, 1), (17, 3, 5), (4711, 9, 1), (42, 9, 1), (43, 9, 1))
        ),
    )
    return record.model_copy(update=changes)


def drawing(sample: int) -> np.ndarray:
    """The picture of a sample: (1, 28, 28), as grey as its number says."""
    return np.full((1, 28, 28), sample % 251, np.uint8)


def comparison(
    runtime: str = "onnxruntime",
    *,
    low: float | None = 6.51,
    status: b.Status = "supported",
    reasons: tuple[str, ...] = (),
    text: str = "student >= 6.5x faster than teacher",
) -> b.Comparison:
    interval = None if low is None else (low, low * 1.06)
    return b.Comparison(
        baseline=f"teacher@{runtime}-b1-t1",
        candidate=f"student@{runtime}-b1-t1",
        runtime=runtime,
        batch=1,
        threads=1,
        ratio=None if low is None else b.Ratio(value=low * 1.03, ci=interval, level=0.99, n_pairs=12),
        aa_null=b.Ratio(value=1.001, ci=(0.991, 1.012), level=0.99, n_pairs=12),
        stopped="time",
        claim=b.Claim(status=status, text=text, reasons=tuple(b.Reason(code="R05", text=reason) for reason in reasons)),
    )


def arm(name: str, runtime: str, median_ns: int, size: int) -> b.Arm:
    spread = median_ns // 60
    median = b.TimeEstimate(value=median_ns, ci=(median_ns - spread, median_ns + spread), level=0.99)
    return b.Arm(
        name=f"{name}@{runtime}-b1-t1",
        model=name,
        role="baseline" if name == "teacher" else "candidate",
        artifact=b.Artifact(path=f"{name}.onnx", sha256=SHA, bytes=size, format="onnx"),
        runtime=b.RuntimeUse(name=runtime, version="1.32.0", precision_effective="fp32", threads=1, options={}),
        workload=b.Workload(
            scenario="single_stream",
            batch=1,
            input_set_sha256=SHA,
            n_distinct_inputs=64,
            input_shapes={"image": (1, 1, 28, 28)},
        ),
        parity=b.ParityEvidence(evidence_sha256=SHA, passed=True, max_abs_err=4.3e-6),
        quality=b.Quality(metric="top1", value=0.9685, n=2000, dataset_sha256=SHA),
        latency_ns=b.Latency(
            n_calls=14_400,
            n_replicates=12,
            mean=median_ns + spread,
            median=median,
            p90=b.TimeEstimate(value=round(median_ns * 1.08)),
            p95=b.TimeEstimate(value=round(median_ns * 1.12)),
            p99=b.TimeEstimate(value=round(median_ns * 1.31)),
            p999=None,
            min=round(median_ns * 0.94),
            max=median_ns * 4,
            mad=spread,
        ),
        throughput=None,
        warm_up=b.WarmUps(calls=200, duration_ns=400_000_000, unsteady=0),
        memory_bytes=b.Memory(peak_rss=92_300_000, import_baseline=71_200_000, model_increment=9_400_000),
        compute=None,
    )


def host() -> circumstances.Host:
    return circumstances.Host(
        id="3f9c" * 16,
        cpu_model="Example CPU @ 2.70GHz",
        isa=("avx2", "fma", "avx512f"),
        sockets=1,
        physical_cores=2,
        logical_cpus=2,
        smt=False,
        caches_bytes={"l1d": 32_768, "l2": 1_048_576, "l3": 33_554_432},
        memory_bytes=8_300_000_000,
        os="Debian GNU/Linux 12",
        kernel="6.1.0",
        libc="glibc 2.36",
        virtualization="kvm",
        container=True,
        cgroup_cpu_quota=None,
        governor=None,
        boost=None,
        aslr=2,
        thp="madvise",
        bench_cpus=(1,),
        housekeeping_cpus=(0,),
    )


def bench(**changes: object) -> b.BenchRecord:
    record = b.BenchRecord(
        id="3f1e7f2e-0000-4000-8000-000000000000",
        created="2030-01-02T03:04:05Z",
        tool=circumstances.Tool(name="kdeploy", version="0.1.0"),
        command=("kdeploy", "bench"),
        seed=0,
        duration_ns=110_000_000_000,
        host=host(),
        software=circumstances.Software(python="3.11.2", runtimes={"onnxruntime": "1.32.0"}, packages=(), env={}),
        timer=circumstances.Timer(
            clock="perf_counter_ns", resolution_ns=1, pair_cost_ns=circumstances.PairCost(median=80, p99=131)
        ),
        arms=tuple(
            arm(name, runtime, time_ns, size)
            for runtime, times_ns in MEDIANS_NS.items()
            for name, time_ns, size in zip(("teacher", "student"), times_ns, (1_156_400, 1_764_300), strict=True)
        ),
        comparison=(comparison(), comparison("openvino", low=6.74, text="student >= 6.7x faster than teacher")),
        noise=b.Noise(blocks_total=1440, blocks_void=9, void_reasons={"idle arm used CPU": 9}, unobserved=("steal",)),
        unavailable=(Unavailable(field="energy_uj", reason="energy is not measured yet"),),
        raw=b.RawSamples(path="raw.jsonl.gz", sha256=SHA, bytes=1000, layout=""),
    )
    return record.model_copy(update=changes)


def records(**changes: object) -> RunRecords:
    parts = {
        "samples": samples(),
        "teacher": teacher(),
        "distill": distill(),
        "export": export(),
        "verify": verify(),
        "bench": bench(),
    }
    return RunRecords(**(parts | changes))


def summary(found: RunRecords | None = None, **changes: object) -> Summary:
    """The summary of records, with the gate of the recipe checked on them."""
    found = found or records()
    asked = Gate(max_drop=1.0, min_speedup=5.0)
    results = gate.check_run(asked, found.teacher, found.distill, found.export, found.bench)
    settings = {
        "name": "mnist-5k",
        "recipe": RECIPE,
        "stages_run": ["bench", "bundle"],
        "gate": results,
        "bundle": "bundle/0123456789abcdef/mnist-5k.zip",
    }
    return summarise(found, **(settings | changes))


def write_raw(path: Path, record: b.BenchRecord) -> Path:
    """Raw samples around the medians of a record's arms."""
    draw = random.Random(7)
    with RawWriter(path) as raw:
        for number, compared in enumerate(record.comparison):
            names = {"baseline": compared.baseline, "control": compared.baseline, "candidate": compared.candidate}
            for replicate in range(12):
                for place, (label, name) in enumerate(names.items()):
                    latency = record.arm(name).latency_ns
                    middle = latency.median.value if latency else 1_000_000
                    shift = draw.gauss(1.0, 0.02)
                    calls = [round(middle * shift * draw.lognormvariate(0, 0.05)) for _ in range(60)]
                    raw.block(number, replicate, Block(0, place, label, calls, [], 0, "", 0))
    return path


def measured(record: b.BenchRecord | None = None) -> b.BenchRecord:
    """A benchmark of which everything was measured, what is so on request included."""
    record = record or bench()
    floor = b.CallFloor(runtime="onnxruntime", threads=1, call_floor_ns=b.TimeEstimate(value=7_200))
    return record.model_copy(update={"arms": tuple(map(whole, record.arms)), "null_sut": (floor,), "unavailable": ()})


def whole(arm: b.Arm) -> b.Arm:
    """An arm with every figure there is."""
    assert arm.latency_ns is not None
    median, ours = arm.latency_ns.median.value, arm.role == "candidate"
    work, parameters = (1_066_496, 440_714) if ours else (25_289_984, 288_170)
    drift = 0.004 if ours else 0.061
    limit = median // (9 if ours else 3)
    return arm.model_copy(
        update={
            "throughput": b.Throughput(value=1e9 / median, ci=(0.98e9 / median, 1.02e9 / median)),
            "cold_start_ns": b.ColdStart(
                n=10,
                imports=b.TimeEstimate(value=171_000_000),
                session=b.TimeEstimate(value=6_400_000 if ours else 19_000_000),
                first_inference=b.TimeEstimate(value=610_000),
                to_steady=b.TimeEstimate(value=2_400_000) if ours else None,
                page_cache="cold",
            ),
            "sustained": b.Sustained(
                duration_ns=600_000_000_000,
                windows=tuple(
                    b.Window(
                        at_ns=place * 10_000_000_000, calls=4000, median_ns=round(median * (1 + drift * place / 60))
                    )
                    for place in range(60)
                ),
                drift=drift,
            ),
            "energy_uj": b.Energy(
                per_inference=median / 90, idle_subtracted=median / 140, domain="package-0", blocks=12
            ),
            "compute": b.Compute(
                multiply_adds=work, flops=2 * work, coverage=1.0, params=parameters, layers=layers(work, parameters)
            ),
            "roofline": b.Roofline(
                peak_flops=58e9,
                peak_engine="torch.mm 1024",
                bandwidth_bytes_s=14.2e9,
                bandwidth_of="memory",
                bytes_min=4 * parameters + 3200,
                call_floor_ns=7_200,
                limit_ns=limit,
                fraction_of_limit=b.Fraction(value=limit / median, ci=(0.95 * limit / median, 1.05 * limit / median)),
                bound="memory" if ours else "compute",
            ),
        }
    )


def layers(multiply_adds: int, parameters: int) -> tuple[b.LayerCost, ...]:
    """Fifteen layers, each with half of the work that is left."""
    costs = []
    for number in range(15):
        part = multiply_adds // 2 ** (number + 1)
        costs.append(
            b.LayerCost(
                name=f"/features/{number}/Conv",
                op_type="Conv",
                output_shape=(1, 32, 28, 28),
                multiply_adds=part,
                parameters=parameters // 15,
            )
        )
    return tuple(costs)


def batched(record: b.BenchRecord | None = None, batch: int = 32) -> b.BenchRecord:
    """A benchmark with each comparison once more, in a larger batch that takes ten times as long."""
    record = record or measured()
    arms = [grown(arm, batch) for arm in record.arms]
    compared = [
        one.model_copy(
            update={
                "batch": batch,
                "baseline": _in_batch(one.baseline, batch),
                "candidate": _in_batch(one.candidate, batch),
            }
        )
        for one in record.comparison
    ]
    return record.model_copy(update={"arms": (*record.arms, *arms), "comparison": (*record.comparison, *compared)})


def grown(arm: b.Arm, batch: int) -> b.Arm:
    assert arm.latency_ns is not None
    median = 10 * arm.latency_ns.median.value
    latency = arm.latency_ns.model_copy(update={"median": b.TimeEstimate(value=median)})
    update = {
        "name": _in_batch(arm.name, batch),
        "latency_ns": latency,
        "workload": arm.workload.model_copy(update={"batch": batch}),
        "throughput": b.Throughput(value=batch * 1e9 / median, ci=None),
    }
    return arm.model_copy(update=update)


def _in_batch(name: str, batch: int) -> str:
    return name.replace("-b1-", f"-b{batch}-")
