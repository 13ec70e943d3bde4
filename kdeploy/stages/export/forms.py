"""The student's forms: its bottleneck factored and fused, each exported and proved; timed where that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from torch import nn

from kdeploy.errors import ResourceError
from kdeploy.formatting.numbers import microseconds
from kdeploy.graphs import export as onnx_export
from kdeploy.models.shallow import break_even
from kdeploy.models.signature import signature
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.parity.compare import proved, raise_if_failed
from kdeploy.parity.module_truth import located, module_oracle
from kdeploy.parity.oracle import Oracle
from kdeploy.records.bench import BenchRecord
from kdeploy.records.export import Bottleneck, Form, FormName
from kdeploy.runtimes import installed
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.protocol import Source
from kdeploy.stages.export.describe import describe
from kdeploy.stages.export.low_rank import Rank, Reduced, in_words
from kdeploy.system.files import commit_bytes
from kdeploy.system.progress import Progress
from kdeploy.timing.request import ArmRequest, ComparisonRequest, NoiseLimits, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process
from kdeploy.transforms.fold_batch_norm_nodes import fold_batch_norm_nodes
from kdeploy.transforms.fuse_module import ModuleOutcome
from kdeploy.transforms.fuse_nodes import GraphOutcome
from kdeploy.transforms.outcome import Outcome

Choice = Literal["auto", "fuse", "factored"] | Rank

PROOF_INPUTS = 64
TIE = 1.03  # where the interval allows for no difference, a fused form slower by less than this is a tie


@dataclass(frozen=True)
class LinearPair:
    """The widths around the bottleneck: D inputs, k, H outputs."""

    inputs: int
    width: int
    outputs: int


def export(
    folder: Path,
    chains: Mapping[FormName, nn.Sequential],
    trained: nn.Module,
    name: str,
    inputs: np.ndarray,
    target: str,
    exact: nn.Module | None = None,
    kind: Kind = CLASSES,
) -> list[Form]:
    """Write `student.<form>.onnx` for each form, and prove each against the trained network on real inputs.

    Args:
        name: of the input.
        inputs: preprocessed, float32 (inputs, *shape).
        exact: what the forms must agree with, in float64, where that is not the trained network.
        kind: of the outputs.
    Raises: ParityError when a form is not that network.
    """
    paths = {form: folder / f"student.{form}.onnx" for form in chains}
    for form, chain in chains.items():
        onnx_export.write(chain, paths[form], input_name=name, shape=inputs.shape[1:])
    return _all_proved(paths, trained, inputs, target, kind, exact)


def export_graphs(
    folder: Path,
    modules: Mapping[FormName, nn.Module],
    trained: nn.Module,
    name: str,
    inputs: np.ndarray,
    target: str,
    kind: Kind,
) -> tuple[list[Form], GraphOutcome]:
    """As `export`, of modules whose batch norms fold on their graphs; how that ended for the first of them."""
    paths = {form: folder / f"student.{form}.onnx" for form in modules}
    outcomes = [write_folded(module, paths[form], name, inputs.shape[1:]) for form, module in modules.items()]
    return _all_proved(paths, trained, inputs, target, kind), outcomes[0]


def write_folded(module: nn.Module, path: Path, name: str, shape: Sequence[int]) -> GraphOutcome:
    """Export a module, and fold the batch norms of its graph.

    Args:
        name: of the input.
        shape: of one sample.
    """
    onnx_export.write(module, path, input_name=name, shape=shape)
    outcome = fold_batch_norm_nodes(onnx.load(path))
    if outcome.done:
        commit_bytes(path, outcome.model.SerializeToString(deterministic=True))
    return outcome


def _all_proved(
    paths: Mapping[FormName, Path],
    trained: nn.Module,
    inputs: np.ndarray,
    target: str,
    kind: Kind,
    exact: nn.Module | None = None,
) -> list[Form]:
    """The forms that are written, each proved on the first inputs."""
    some = inputs[:PROOF_INPUTS]
    oracle = module_oracle(trained, some, exact, next(iter(paths.values())))._replace(kind=kind)
    return [_proved(path, form, trained, oracle, some, target) for form, path in paths.items()]


def _proved(path: Path, form: FormName, trained: nn.Module, oracle: Oracle, some: np.ndarray, target: str) -> Form:
    """A form that is written. Raises: ParityError when it is not the trained network."""
    rows = [proved(path, f"student.{form}", oracle, some, runtime) for runtime in (REFERENCE, target)]
    raise_if_failed([located(row, path, some, trained) for row in rows])
    return Form(form=form, model=describe(path, some.shape[1:]), latency_ns=None, parity=tuple(rows))


def export_low_rank(
    folder: Path,
    reduced: Reduced,
    folded: nn.Sequential,
    name: str,
    inputs: np.ndarray,
    target: str,
    kind: Kind = CLASSES,
) -> Form:
    """Write `student.low-rank.onnx`, proved against the network of a lower rank in float64; with what that costs.

    Args:
        folded: the layers of the lower rank with every fold.
        name, inputs, kind: as of `export`.
    Raises: ParityError.
    """
    forms = export(folder, {"low-rank": folded}, reduced.layers, name, inputs, target, reduced.exact, kind)
    return forms[0].model_copy(update={"low_rank": reduced.cost})


def time(
    comparison_request: ComparisonRequest, place: Path, progress: Progress, settings: Settings | None = None
) -> BenchRecord:
    """Fused against factored, one thread, 8 process pairs; what was measured is in the folder `place` afterwards.

    One of them ships even from a busy machine, so every block counts where no other settings are given.
    """
    request = Request(
        comparisons=(comparison_request,),
        settings=settings or Settings.quick(Settings(limits=NoiseLimits(voids=False))),
    )
    with progress.task("fused against factored", request.settings.looks[-1]) as advance:
        return run_in_fresh_process(request, place, lambda step: advance(step.replicate))


def comparison(
    place: Path, factored: Path, fused: Path, inputs: np.ndarray, target: str, batch: int = 1
) -> ComparisonRequest:
    """Two ONNX files, both converted for the target into the folder `place`, on real inputs.

    Args:
        inputs: preprocessed, float32 (inputs, *shape).
    """
    place.mkdir(parents=True, exist_ok=True)
    npz, name = place / "inputs.npz", signature(factored).input
    np.savez(npz, allow_pickle=False, **{name: inputs[:PROOF_INPUTS]})
    arms = []
    for form, path in (("factored", factored), ("fused", fused)):
        (place / form).mkdir(exist_ok=True)
        source = Source(path, None, {name: inputs[:3]}, None)
        artefact = installed.convert(target, source, place / form)
        arms.append(ArmRequest(model=form, artefact=artefact, inputs=npz))
    return ComparisonRequest(baseline=arms[0], candidate=arms[1], runtime=target, batch=batch)


def choose(
    choice: Literal["auto", "fuse", "factored"],
    pair: LinearPair | None,
    fusing: Outcome | ModuleOutcome,
    measured: BenchRecord | None,
) -> Bottleneck:
    """Which form ships, and why.

    Args:
        pair: None for a student without a bottleneck.
        fusing: the result of fusing.
        measured: `factored` as the baseline, `fused` as the candidate; needed when the choice is open.
    Raises: ResourceError when `fuse` was asked for and refused.
    """
    if pair is None:
        return bottleneck("plain", "the student has no linear bottleneck", None)
    if choice == "fuse" and not fusing.done:
        raise ResourceError("export.bottleneck", "cannot be fuse", got=fusing.reason, advice="Ship the factored form.")
    if choice != "auto":
        return bottleneck("fused" if choice == "fuse" else "factored", f"asked for (export.bottleneck: {choice})", pair)
    if measured is None:
        return bottleneck("factored", f"fusing was refused: {fusing.reason}", pair)
    form, times = faster(measured)
    return bottleneck(form, break_even_words(pair), pair, times)


def faster(measured: BenchRecord) -> tuple[FormName, str]:
    """The faster form, and in words how much; a tie goes to fused."""
    factored, fused = latencies(measured)
    compared = measured.comparison[0]
    ratio = compared.ratio
    low, high = ratio.ci if ratio and ratio.ci else (0.0, float("inf"))
    certain = not low <= 1 <= high
    factored_is_faster = high < 1 if certain else factored * TIE < fused
    verb = "measured" if certain else "by the medians alone" if factored_is_faster else "tie"
    where = f"{compared.runtime} batch {compared.batch}, {verb}"
    if factored_is_faster:
        return "factored", f"{microseconds(factored)} against {microseconds(fused)} fused, {where}"
    return "fused", f"{microseconds(fused)} against {microseconds(factored)} factored, {where}"


def choose_rank(rank: Rank, reduced: Reduced | str, pair: LinearPair | None) -> Bottleneck:
    """The form of the lower rank; or, where `reduced` is the reason why there is none, the form without it."""
    if isinstance(reduced, str):
        return bottleneck("factored" if pair else "plain", reduced, pair)
    shape = LinearPair(reduced.inputs, reduced.cost.rank, reduced.outputs)
    return bottleneck("low-rank", f"asked for (export.bottleneck: {rank}): {in_words(reduced.cost)}", shape)


def latencies(measured: BenchRecord) -> tuple[int, int]:
    """Median latency of the factored and of the fused form, ns."""
    medians = []
    for name in (measured.comparison[0].baseline, measured.comparison[0].candidate):
        latency = measured.arm(name).latency_ns
        if latency is None:
            raise ResourceError("export.bottleneck", "must be timed", got="no replicate could be used")
        medians.append(latency.median.value)
    return medians[0], medians[1]


def with_latencies(forms: Sequence[Form], measured: BenchRecord | None) -> tuple[Form, ...]:
    """The forms with their median latencies, where they were timed."""
    if measured is None:
        return tuple(forms)
    named = dict(zip(("factored", "fused"), latencies(measured), strict=True))
    return tuple(form.model_copy(update={"latency_ns": named[form.form]}) for form in forms)


def bottleneck(shipped: FormName, reason: str, pair: LinearPair | None, timed: str = "") -> Bottleneck:
    """The choice, with the widths of the pair and what was measured for it."""
    return Bottleneck(
        shipped=shipped,
        reason=reason,
        timed=timed,
        break_even=break_even(pair.inputs, pair.outputs) if pair else None,
        width=pair.width if pair else None,
        inputs=pair.inputs if pair else None,
        outputs=pair.outputs if pair else None,
    )


def break_even_words(pair: LinearPair) -> str:
    """The width next to its break-even, as `k 64 < break-even 473`."""
    limit = break_even(pair.inputs, pair.outputs)
    return f"k {pair.width} {'<' if pair.width < limit else '>='} break-even {limit:.0f}"
