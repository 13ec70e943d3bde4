"""bench: the student against the teacher, on every runtime, batch size and number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kdeploy.errors import ModelError
from kdeploy.graphs.counting.count import count
from kdeploy.models.classifier import signature
from kdeploy.records.bench import BenchRecord, Compute, LayerCost, Quality
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.system.progress import Progress
from kdeploy.timing.orchestrator import Step
from kdeploy.timing.request import ArmRequest, ComparisonRequest, FloorRequest, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process

DISTINCT_INPUTS = 256
PEAK_SHARE = 0.1  # of the time, for what the machine can do at best


@dataclass(frozen=True)
class Contender:
    """One model.

    Args:
        name: what a person calls it.
        inputs: real, preprocessed, float32 (samples, *shape); the first 256 are used in rotation.
        expected: its logits on those inputs, to catch a model that is fast because it is broken.
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
        command: what the user typed, for the record.
    """
    arms = {
        name: (_arm(folder, "baseline", baseline, name), _arm(folder, "candidate", candidate, name)) for name in names
    }
    counts = {
        batch: (_compute(baseline, batch), _compute(candidate, batch))
        for batch in sorted({batch for _, batch in (*sizes, *brief)})
    }
    comparisons, throughput = (tuple(_asked(arms, counts, wanted)) for wanted in (sizes, brief))
    request = Request(
        comparisons=comparisons,
        throughput=throughput,
        floors=tuple(_floors(folder / "floor", names, sorted({size[0] for size in sizes}), progress)),
        settings=settings.model_copy(update={"peak_share": PEAK_SHARE}),
        command=command,
    )
    with progress.task("latency", len(comparisons) * settings.looks[0]) as advance:
        return run_in_fresh_process(request, folder, lambda step: advance(_done(step, settings)))


def _asked(
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


def _done(step: Step, settings: Settings) -> int:
    """Replicates done when each comparison counts as one first look; later looks move the bar no further."""
    first = settings.looks[0]
    return step.comparison * first + min(step.replicate, first)


def _arm(folder: Path, role: str, contender: Contender, name: str) -> ArmRequest:
    inputs, expected = folder / f"{role}.inputs.npz", folder / f"{role}.expected.npz"
    np.savez(inputs, allow_pickle=False, **{signature(contender.onnx).input: contender.inputs[:DISTINCT_INPUTS]})
    if contender.expected is not None:
        np.savez(expected, allow_pickle=False, **{_output(contender.onnx): contender.expected[:DISTINCT_INPUTS]})
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
    source = Source(contender.onnx, None, {signature(contender.onnx).input: contender.inputs[:3]}, None)
    return installed.convert(name, source, target)


def _compute(contender: Contender, batch: int) -> Compute | None:
    """Counted at the batch of the arm; a model that fixes its own is called with that."""
    if not contender.counts:
        return None
    rows = signature(contender.onnx).batch or batch
    torch_flops = {} if contender.torch_flops is None else {"torch_flop_counter": rows * contender.torch_flops}
    return counted(contender.onnx, (rows, *contender.inputs.shape[1:])).model_copy(update={"cross_check": torch_flops})


def counted(path: Path, shape: tuple[int, ...]) -> Compute:
    """What one call of a classifier costs, its input of this shape, batch first.

    Raises: ModelError when a shape inside cannot be known.
    """
    cost = count(path, {signature(path).input: shape})
    return Compute(
        multiply_adds=cost.multiply_adds,
        flops=cost.flops,
        coverage=cost.coverage,
        uncounted_ops=dict(cost.uncounted),
        params=cost.parameters,
        weights_bytes=cost.weights_bytes,
        layers=tuple(LayerCost(**asdict(layer)) for layer in cost.layers),
    )


def _output(path: Path) -> str:
    import onnx

    name: str = onnx.load(path, load_external_data=False).graph.output[0].name
    return name
