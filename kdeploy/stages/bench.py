"""bench: the student against the teacher, on every runtime, batch size and number of threads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kdeploy.errors import ModelError
from kdeploy.evaluation.logits import stored_logits
from kdeploy.evaluation.precision_cost import Labeled
from kdeploy.formatting.places import command_without_places
from kdeploy.graphs.counting.count import count
from kdeploy.models.signature import Signature, signature
from kdeploy.outputs.classes import CLASSES
from kdeploy.records.bench import BenchRecord, Compute, LayerCost, Quality
from kdeploy.records.report import AGREEMENT
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.host import allowed_cpus
from kdeploy.system.progress import Progress
from kdeploy.timing.request import COLD_STARTS, ArmRequest, ComparisonRequest, FloorRequest, Request, Settings
from kdeploy.timing.run.orchestrator import Step
from kdeploy.timing.run.quiet import first_look
from kdeploy.timing.subprocess_run import run_in_fresh_process

if TYPE_CHECKING:
    from kdeploy.evaluation.exported_run import ExportedRun

DISTINCT_INPUTS = 256
FEWEST_REPLICATES = 8  # of a benchmark that is more than a look at whether it runs
PEAK_SHARE = 0.1  # of the time, for what the machine can do at best


@dataclass(frozen=True)
class Contender:
    """One model.

    Args:
        name: what a person calls it.
        inputs: real, preprocessed, float32 (samples, *shape); the first 256 are used in rotation.
        expected: its logits on those inputs, (samples, classes), to catch a model that is fast because it is broken.
        torch_flops: what torch counts of one sample, where there was a module to ask.
        artefacts: runtime name to a converted file; others are converted here.
        counts: whether `onnx` is this model's own graph; a file of one runtime brings none, and borrows another's.
    """

    name: str
    onnx: Path
    inputs: np.ndarray
    expected: np.ndarray | None
    quality: Quality | None
    torch_flops: int | None
    artefacts: Mapping[str, Path]
    counts: bool = True

    @cached_property
    def signature(self) -> Signature:
        """What `onnx` reads and answers; the file is read once."""
        return signature(self.onnx)


@dataclass(frozen=True)
class BenchOptions:
    """What may be chosen about the benchmark of a run.

    Args:
        runtimes: by name.
        threads, batch: of the comparisons, each with each.
        throughput: batches of a brief look, on one thread and on all.
        replicates: process pairs at the first look.
        max_seconds: of one comparison.
        sustained: seconds without a pause, of each model.
        wait: seconds, at most, for the machine to be quiet.
    """

    runtimes: Sequence[str] = ("onnxruntime",)
    threads: Sequence[int] = (1,)
    batch: Sequence[int] = (1,)
    throughput: Sequence[int] = (16, 64)
    replicates: int = 12
    max_seconds: float = 150.0
    cold_start: bool = False
    sustained: float = 0.0
    energy: bool = False
    wait: float = 0.0

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Threads and batch of each comparison."""
        return list(itertools.product(self.threads, self.batch))

    @property
    def brief(self) -> list[tuple[int, int]]:
        """Threads and batch of the throughputs that the comparisons do not show, on one thread and on all.

        Fewer replicates than an interval needs are a look at whether it runs: such a recipe gets none.
        """
        if self.replicates < FEWEST_REPLICATES or not self.throughput:
            return []
        every = sorted({1, len(allowed_cpus())})
        pairs = itertools.product(sorted({1, *self.throughput}), every)
        return [(threads, batch) for batch, threads in pairs if (threads, batch) not in self.sizes]

    @property
    def settings(self) -> Settings:
        """How the comparisons are timed."""
        return Settings(
            looks=tuple(sorted({self.replicates, 24, 48} if self.replicates >= 12 else {self.replicates})),
            limit_ns=round(self.max_seconds * 1e9),
            cold_starts=COLD_STARTS if self.cold_start else 0,
            sustained_ns=round(self.sustained * 1e9),
            energy=self.energy,
            wait_ns=round(self.wait * 1e9),
        )


def run_of(
    folder: Path,
    exported: ExportedRun,
    samples: SampleSet,
    *,
    options: BenchOptions,
    command: tuple[str, ...],
    progress: Progress,
) -> BenchRecord:
    """Time the student of a run against its teacher on the test inputs.

    Args:
        command: what the user typed, for the record.
    """
    from kdeploy.evaluation.exported_run import exported_logits  # with torch, which external models do without

    say_what_disturbs(options.settings, options.sizes, progress)
    teacher = Labeled.of(samples, exported.teacher[1].preprocessing, "test")
    student = Labeled.of(samples, exported.distilled[1].preprocessing, "test")
    expected = stored_logits(exported.teacher[0], "test"), exported_logits(exported, student.inputs)
    return run(
        folder,
        baseline=_contender("teacher", exported, teacher, expected[0], _quality(samples, expected[0], expected[0])),
        candidate=_contender("student", exported, student, expected[1], _quality(samples, expected[1], expected[0])),
        names=options.runtimes,
        sizes=options.sizes,
        brief=options.brief,
        settings=options.settings,
        command=command,
        progress=progress,
    )


def say_what_disturbs(settings: Settings, sizes: Sequence[tuple[int, int]], progress: Progress) -> None:
    """Say what disturbs a benchmark at once: what comes before its first call may take a minute on a busy machine."""
    threads = max(threads for threads, _ in sizes)
    first_look(settings, allowed_cpus(), threads, lambda text: progress.say(f"  {text}"))


def _quality(samples: SampleSet, logits: np.ndarray, teacher: np.ndarray) -> Quality:
    """The quality of outputs (test inputs, width); where nothing is labelled, how far they say what the teacher's
    say."""
    kind, rows = samples.kind, samples.parts["test"]
    value = kind.quality(logits, samples.labels[rows])
    name = "top1" if kind is CLASSES else kind.metric
    metric, share = (AGREEMENT, kind.agreement(logits, teacher)) if value is None else (name, value)
    return Quality(metric=metric, value=share, n=len(rows), dataset_sha256=samples.sample_hash)


def _contender(
    name: Literal["student", "teacher"], exported: ExportedRun, on: Labeled, logits: np.ndarray, quality: Quality
) -> Contender:
    """A model of a run, with its quality and what it must answer."""
    return Contender(
        name=name,
        onnx=exported.folder / f"{name}.onnx",
        inputs=on.inputs,
        expected=logits,
        quality=quality,
        torch_flops=getattr(exported.record, name).torch_flops,
        artefacts=exported.record.files(exported.folder, name),
    )


def run(  # noqa: PLR0913 - two models, where and how they are timed, and who is told; all but the place are named
    folder: Path,
    *,
    baseline: Contender,
    candidate: Contender,
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    brief: Sequence[tuple[int, int]] = (),
    settings: Settings,
    command: tuple[str, ...],
    progress: Progress,
) -> BenchRecord:
    """Measure candidate against baseline; `raw.jsonl.gz` and `bench.json` are in the folder afterwards.

    Args:
        names: of the runtimes.
        sizes: pairs of threads and batch, each on every runtime.
        brief: more of them, of which only the throughput is measured.
        command: what the user typed, for the record, which leaves out the folders of this machine.
    """
    arms = {
        name: (_arm(folder, "baseline", baseline, name), _arm(folder, "candidate", candidate, name)) for name in names
    }
    counts = {
        batch: (_compute(baseline, batch), _compute(candidate, batch))
        for batch in sorted({batch for _, batch in (*sizes, *brief)})
    }
    comparisons, throughput = (tuple(_requests(arms, counts, pairs)) for pairs in (sizes, brief))
    request = Request(
        comparisons=comparisons,
        throughput=throughput,
        floors=tuple(_floors(folder / "floor", names, sorted({size[0] for size in sizes}), progress)),
        settings=settings.model_copy(update={"peak_share": PEAK_SHARE}),
        command=command_without_places(command),
    )
    first = settings.looks[0]  # a comparison counts as one first look: later looks move the bar no further

    def follow(step: Step) -> None:
        advance(step.comparison * first + min(step.replicate, first))

    with progress.task("latency", len(comparisons) * first) as advance:
        return run_in_fresh_process(request, folder, follow, lambda text: progress.say(f"  {text}"))


def _requests(
    arms: Mapping[str, tuple[ArmRequest, ArmRequest]],
    counts: Mapping[int, tuple[Compute | None, Compute | None]],
    sizes: Sequence[tuple[int, int]],
) -> Iterator[ComparisonRequest]:
    """Each size on every runtime, with what a call of that batch costs."""
    for name, pair in arms.items():
        for threads, batch in sizes:
            baseline, candidate = (
                arm.model_copy(update={"compute": compute}) for arm, compute in zip(pair, counts[batch], strict=True)
            )
            yield ComparisonRequest(baseline=baseline, candidate=candidate, runtime=name, threads=threads, batch=batch)


def _arm(folder: Path, role: str, contender: Contender, name: str) -> ArmRequest:
    inputs, expected = folder / f"{role}.inputs.npz", folder / f"{role}.expected.npz"
    np.savez(inputs, allow_pickle=False, **{contender.signature.input: contender.inputs[:DISTINCT_INPUTS]})
    if contender.expected is not None:
        np.savez(expected, allow_pickle=False, **{contender.signature.output: contender.expected[:DISTINCT_INPUTS]})
    return ArmRequest(
        model=contender.name,
        artefact=_artefact(folder / "models" / name / role, contender, name),
        inputs=inputs,
        expected=expected if contender.expected is not None else None,
        quality=contender.quality,
    )


def _floors(folder: Path, names: Sequence[str], threads: Sequence[int], progress: Progress) -> Iterator[FloorRequest]:
    """The graph that does nothing, for every runtime that takes it."""
    folder.mkdir(exist_ok=True)  # what an interrupted benchmark left is written again
    path, inputs, rows = folder / "identity.onnx", folder / "inputs.npz", np.zeros((3, 1), np.float32)
    _write_identity(path)
    np.savez(inputs, allow_pickle=False, x=rows)
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        try:
            artefact = installed.convert(name, Source(path, None, {"x": rows}, None), folder / name)
        except ModelError:
            progress.say(f"call floor: not measured on {name}, which does not take a graph that does nothing")
            continue
        for number in threads:
            yield FloorRequest(runtime=name, threads=number, artefact=artefact, inputs=inputs)


def _write_identity(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def _artefact(target: Path, contender: Contender, name: str) -> Path:
    if name in contender.artefacts:
        return contender.artefacts[name]
    target.mkdir(parents=True, exist_ok=True)
    source = Source(contender.onnx, None, {contender.signature.input: contender.inputs[:3]}, None)
    return installed.convert(name, source, target)


def _compute(contender: Contender, batch: int) -> Compute | None:
    """The cost of a call at the batch of the arm; a model that fixes its own batch is called with that."""
    if not contender.counts:
        return None
    rows = contender.signature.batch or batch
    torch_flops = {} if contender.torch_flops is None else {"torch_flop_counter": rows * contender.torch_flops}
    shape = (rows, *contender.inputs.shape[1:])
    return counted(contender.onnx, contender.signature, shape).model_copy(update={"cross_check": torch_flops})


def counted(path: Path, ports: Signature, shape: tuple[int, ...]) -> Compute:
    """What one call of a classifier costs.

    Args:
        shape: of its input, batch first.

    Raises: ModelError when a shape inside cannot be known.
    """
    cost = count(path, {ports.input: shape})
    return Compute(
        multiply_adds=cost.multiply_adds,
        flops=cost.flops,
        coverage=cost.coverage,
        uncounted_ops=dict(cost.uncounted),
        params=cost.parameters,
        weights_bytes=cost.weights_bytes,
        layers=tuple(LayerCost(**asdict(layer)) for layer in cost.layers),
    )
