"""The student's forms: its bottleneck factored and fused, each exported and proved; timed where that decides."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from kdeploy import bisection, onnx_export, parity, runtimes
from kdeploy.errors import ResourceError
from kdeploy.models.shallow import break_even
from kdeploy.progress import Progress
from kdeploy.records.bench import BenchRecord
from kdeploy.records.export import Bottleneck, Form
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes.protocol import Source
from kdeploy.stages.export.describe import describe
from kdeploy.timing.fresh import run_in_fresh_process
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings
from kdeploy.transforms.outcome import Outcome

Choice = Literal["auto", "fuse", "factored"]
FormName = Literal["fused", "factored", "plain"]

PROOF_INPUTS = 64
TIE = 1.03  # where the interval allows for no difference, a fused form slower by less than this is a tie


@dataclass(frozen=True)
class Pair:
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
) -> list[Form]:
    """Write `student.<form>.onnx` for each form, and prove each against the trained net on real inputs.

    Raises: ParityError when a form is not the trained net.
    """
    oracle = parity.module_oracle(trained, inputs[:PROOF_INPUTS])
    forms = []
    for form, chain in chains.items():
        path = folder / f"student.{form}.onnx"
        onnx_export.write(chain, path, input_name=name, shape=inputs.shape[1:])
        rows = [_proved(path, form, oracle, name, inputs[:PROOF_INPUTS], runtime) for runtime in ("reference", target)]
        parity.raise_if_failed([bisection.located(row, path, inputs[:PROOF_INPUTS], trained) for row in rows])
        forms.append(Form(form=form, model=describe(path, inputs.shape[1:]), latency_ns=None, parity=tuple(rows)))
    return forms


def _proved(
    path: Path, form: FormName, oracle: parity.Oracle, name: str, inputs: np.ndarray, runtime_name: str
) -> ParityRow:
    runtime = runtimes.find(runtime_name)
    with tempfile.TemporaryDirectory() as scratch:
        source = Source(path, None, {name: inputs[:3]}, None)
        session = runtime.load(runtime.convert(source, Path(scratch), precision="fp32"), threads=1)
        logits, batches = parity.logits_of(session, name, inputs)
        session.close()
    return parity.compare(oracle, logits, model=f"student.{form}", runtime=runtime_name, batches=batches)


def time(folder: Path, name: str, inputs: np.ndarray, target: str, progress: Progress) -> BenchRecord:
    """Fused against factored on the target, batch 1, one thread, 8 process pairs."""
    place = folder / "bottleneck"
    place.mkdir(exist_ok=True)
    npz, runtime = place / "inputs.npz", runtimes.find(target)
    np.savez(npz, allow_pickle=False, **{name: inputs[:PROOF_INPUTS]})
    arms = []
    for form in ("factored", "fused"):
        (place / form).mkdir(exist_ok=True)
        source = Source(folder / f"student.{form}.onnx", None, {name: inputs[:3]}, None)
        artefact = runtime.convert(source, place / form, precision="fp32")
        arms.append(ArmRequest(model=form, artefact=artefact, inputs=npz))
    request = Request(
        comparisons=(ComparisonRequest(baseline=arms[0], candidate=arms[1], runtime=target),), settings=Settings.quick()
    )
    with progress.task("fused against factored", request.settings.looks[-1]) as advance:
        return run_in_fresh_process(request, place, lambda step: advance(step.replicate))


def choose(choice: Choice, pair: Pair | None, fusing: Outcome, measured: BenchRecord | None, target: str) -> Bottleneck:
    """Which form ships, and why.

    Args:
        pair: None for a student without a bottleneck.
        fusing: what came of fusing.
        measured: `factored` as the baseline, `fused` as the candidate; needed when the choice is open.
    Raises: ResourceError when `fuse` was asked for and refused.
    """
    if pair is None:
        return _bottleneck("plain", "the student has no linear bottleneck", None)
    if choice == "fuse" and not fusing.done:
        raise ResourceError("export.bottleneck", "cannot be fuse", got=fusing.reason, advice="Ship the factored form.")
    if choice != "auto":
        return _bottleneck(
            "fused" if choice == "fuse" else "factored", f"asked for (export.bottleneck: {choice})", pair
        )
    if measured is None:
        return _bottleneck("factored", f"fusing was refused: {fusing.reason}", pair)
    factored, fused = latencies(measured)
    ratio = measured.comparison[0].ratio
    low, high = ratio.ci if ratio and ratio.ci else (0.0, float("inf"))
    certain = not low <= 1 <= high
    factored_is_faster = high < 1 if certain else factored * TIE < fused
    verb = "measured" if certain else "by the medians alone" if factored_is_faster else "tie"
    where = f"{target} batch 1, {verb}"
    if factored_is_faster:
        reason = f"{_break_even_words(pair)}: {_us(factored)} against {_us(fused)} fused, {where}"
        return _bottleneck("factored", reason, pair)
    return _bottleneck(
        "fused", f"{_break_even_words(pair)}: {_us(fused)} against {_us(factored)} factored, {where}", pair
    )


def latencies(measured: BenchRecord) -> tuple[int, int]:
    """Median latency of the factored and of the fused form, ns."""
    found = []
    for name in (measured.comparison[0].baseline, measured.comparison[0].candidate):
        latency = measured.arm(name).latency_ns
        if latency is None:
            raise ResourceError("export.bottleneck", "must be timed", got="no replicate could be used")
        found.append(latency.median.value)
    return found[0], found[1]


def with_latencies(forms: Sequence[Form], measured: BenchRecord | None) -> tuple[Form, ...]:
    if measured is None:
        return tuple(forms)
    named = dict(zip(("factored", "fused"), latencies(measured), strict=True))
    return tuple(form.model_copy(update={"latency_ns": named[form.form]}) for form in forms)


def _bottleneck(shipped: FormName, reason: str, pair: Pair | None) -> Bottleneck:
    return Bottleneck(
        shipped=shipped,
        reason=reason,
        break_even=break_even(pair.inputs, pair.outputs) if pair else None,
        width=pair.width if pair else None,
        inputs=pair.inputs if pair else None,
        outputs=pair.outputs if pair else None,
    )


def _break_even_words(pair: Pair) -> str:
    limit = break_even(pair.inputs, pair.outputs)
    return f"k {pair.width} {'<' if pair.width < limit else '>='} break-even {limit:.0f}"


def _us(nanoseconds: int) -> str:
    return f"{nanoseconds / 1000:.0f} us"
