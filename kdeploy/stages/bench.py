"""bench: the student against the teacher, on every runtime, batch size and number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdeploy import runtimes
from kdeploy.models.adapters import signature
from kdeploy.progress import Progress
from kdeploy.records.bench import BenchRecord, Compute, Quality
from kdeploy.records.export import Model
from kdeploy.runtimes.protocol import Source
from kdeploy.timing.fresh import run_in_fresh_process
from kdeploy.timing.orchestrator import Step
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings

DISTINCT_INPUTS = 256


@dataclass(frozen=True)
class Contender:
    """One model.

    Args:
        name: what a person calls it.
        inputs: real, preprocessed, float32 (samples, *shape); the first 256 are used in rotation.
        expected: its logits on those inputs, to catch a model that is fast because it is broken.
        artefacts: runtime name to a converted file; others are converted here.
    """

    name: str
    onnx: Path
    inputs: np.ndarray
    expected: np.ndarray | None
    quality: Quality | None
    described: Model | None
    artefacts: Mapping[str, Path]


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
    comparisons, throughput = (tuple(_asked(arms, wanted)) for wanted in (sizes, brief))
    request = Request(comparisons=comparisons, throughput=throughput, settings=settings, command=command)
    with progress.task("latency", len(comparisons) * settings.looks[0]) as advance:
        return run_in_fresh_process(request, folder, lambda step: advance(_done(step, settings)))


def _asked(
    arms: Mapping[str, tuple[ArmRequest, ArmRequest]], sizes: Sequence[tuple[int, int]]
) -> Iterator[ComparisonRequest]:
    for name, (baseline, candidate) in arms.items():
        for threads, batch in sizes:
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
        compute=_compute(contender.described),
    )


def _artefact(target: Path, contender: Contender, name: str) -> Path:
    if name in contender.artefacts:
        return contender.artefacts[name]
    target.mkdir(parents=True, exist_ok=True)
    source = Source(contender.onnx, None, {signature(contender.onnx).input: contender.inputs[:3]}, None)
    return runtimes.convert(name, source, target)


def _compute(model: Model | None) -> Compute | None:
    if model is None:
        return None
    return Compute(
        multiply_adds=model.multiply_adds,
        flops=2 * model.multiply_adds,
        uncounted_ops=model.uncounted,
        params=model.parameters,
    )


def _output(path: Path) -> str:
    import onnx

    name: str = onnx.load(path, load_external_data=False).graph.output[0].name
    return name
