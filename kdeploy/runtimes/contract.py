"""The contract test of a runtime: what `kdeploy.runtimes.protocol` promises, tried on a model of yours.

    def test_my_runtime_keeps_the_contract(tmp_path):
        check(MyRuntime(), source, tmp_path, absolute_tolerance=1e-5)

The answers are compared with ONNX's reference evaluator. The model should take a few milliseconds there and use what
your runtime could get wrong; where its batch is free, batches of 1, 2, 3 and 7 are tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdeploy.errors import DataError, MissingError
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import of_graph
from kdeploy.runtimes.protocol import Arrays, Refused, Runtime, Session, Source

BATCHES = (1, 2, 3, 7)


class ContractError(AssertionError):
    """A promise that a runtime does not keep, as a sentence."""

    def __init__(self, runtime: str, sentence: str) -> None:
        super().__init__(f"runtime '{runtime}' breaks its contract: {sentence}")


class _Trial(NamedTuple):
    """One session under test, with what the model's own file says about it."""

    runtime: str
    session: Session
    ports: tuple[Port, ...]
    outputs: Mapping[str, np.dtype[Any]]
    example: Arrays

    def require(self, kept: bool, sentence: str) -> None:
        _require(self.runtime, kept, sentence)


def check(runtime: Runtime, source: Source, folder: Path, *, absolute_tolerance: float) -> None:
    """Try every promise, in the order of a model's life.

    Args:
        source: its example needs at least one row an input; its values are what the model is tried on.
        folder: an empty folder to convert into.
    Raises: ContractError that names the promise that is broken; MissingError when the runtime is not installed here,
        because then nothing was proved; Refused when it does not take such a source.
    """
    _check_presence(runtime)
    artefact = _check_conversion(runtime, source, folder)
    trial = _opened(runtime, source, artefact)
    _check_settings(trial)
    _check_answers(trial, source, absolute_tolerance)
    _check_repetition(trial)
    _check_refusals(trial)
    _check_close(trial)


def _require(runtime: str, kept: bool, sentence: str) -> None:
    if not kept:
        raise ContractError(runtime, sentence)


def _check_presence(runtime: Runtime) -> None:
    advice = runtime.missing()
    if advice is not None:
        names_command = "pip install" in advice or "npm install" in advice
        _require(runtime.name, names_command, f"missing() must name a pip or npm install command, but says {advice!r}")
        raise MissingError(f"runtime '{runtime.name}'", "must be installed to be checked", advice=advice)
    _require(runtime.name, bool(runtime.version()), "version() must not be empty")


def _check_conversion(runtime: Runtime, source: Source, folder: Path) -> Path:
    try:
        runtime.convert(source, folder, precision="no such precision")
    except Refused as refusal:
        _require(runtime.name, bool(refusal.reason), "a refusal must have a reason")
    else:
        raise ContractError(runtime.name, "convert must raise Refused for a precision it does not know")
    ask = getattr(runtime, "processors", None)
    reason = ask is not None and all(value is None or value for value in ask("fp32")) and ask("fp32").reason
    _require(runtime.name, bool(reason), "processors must give names, or None, and a reason")
    artefact = runtime.convert(source, folder, precision="fp32")
    _require(runtime.name, artefact.is_file(), f"convert must return a file that exists, but {artefact} does not")
    inside = artefact.resolve().is_relative_to(folder.resolve())
    _require(runtime.name, inside, f"convert must write into {folder}, but wrote {artefact}")
    return artefact


def _opened(runtime: Runtime, source: Source, artefact: Path) -> _Trial:
    ports = of_graph(source.onnx, runtime=runtime.name)
    outputs = {port.name: port.dtype for port in ports.outputs}
    return _Trial(runtime.name, runtime.load(artefact, threads=1), ports.inputs, outputs, source.example)


def _check_settings(trial: _Trial) -> None:
    settings = trial.session.settings
    texts = all(isinstance(key, str) and isinstance(value, str) for key, value in settings.items())
    trial.require(texts, f"settings must map text to text, but are {dict(settings)!r}")
    threads = settings.get("threads", "1")
    trial.require(threads == "1", f"settings must say the 1 thread that was asked for, or nothing, not {threads}")
    precision = settings.get("precision", "fp32")
    trial.require(
        precision == "fp32", f"settings must say the precision fp32 of the artefact, or nothing, not {precision}"
    )


def _check_answers(trial: _Trial, source: Source, absolute_tolerance: float) -> None:
    from onnx.reference import ReferenceEvaluator

    oracle = ReferenceEvaluator(str(source.onnx))
    for batch in _batches(trial):
        inputs = _rows(trial, batch)
        copies = {name: array.copy() for name, array in inputs.items()}
        expected = dict(zip(oracle.output_names, oracle.run(None, copies), strict=True))
        answers = trial.session.run(inputs)
        untouched = all(np.array_equal(inputs[name], copies[name]) for name in copies)
        trial.require(untouched, "run must leave its inputs as they were")
        _compare(trial, answers, expected, batch, absolute_tolerance)


def _compare(
    trial: _Trial, answers: Arrays, expected: Mapping[str, np.ndarray[Any, Any]], batch: int, tolerance: float
) -> None:
    names = sorted(trial.outputs)
    trial.require(sorted(answers) == names, f"outputs must be named {names} as in the graph, not {sorted(answers)}")
    for name, reference in expected.items():
        array, place, shape = answers[name], f"output '{name}' at batch {batch}", reference.shape
        trial.require(isinstance(array, np.ndarray), f"{place} must be an array, not {type(array).__name__}")
        trial.require(array.dtype == trial.outputs[name], f"{place} must be {trial.outputs[name]}, not {array.dtype}")
        trial.require(array.shape == shape, f"{place} must have the shape {shape}, not {array.shape}")
        error = float(np.max(np.abs(array.astype(np.float64) - reference.astype(np.float64)), initial=0.0))
        agrees = error <= tolerance  # false for NaN
        trial.require(
            agrees, f"{place} must be within {tolerance:g} of the reference evaluator, but is {error:.3g} off"
        )


def _check_repetition(trial: _Trial) -> None:
    """Two different inputs, the first one twice: equal answers to equal questions, and no answer changed later."""
    batch = _batches(trial)[0]
    first, other = _rows(trial, batch), _rows(trial, batch, scale=2)
    before = trial.session.run(first)
    copies = {name: array.copy() for name, array in before.items()}
    trial.session.run(other)
    unchanged = all(np.array_equal(before[name], copies[name]) for name in copies)
    trial.require(unchanged, "an output must stay as it was when the session runs again")
    again = trial.session.run(first)
    same = all(np.array_equal(again[name], copies[name]) for name in copies)
    trial.require(same, "the same input must give the same output")
    turned = trial.session.run({name: np.asfortranarray(array) for name, array in first.items()})
    alike = all(np.array_equal(turned[name], copies[name]) for name in copies)
    trial.require(alike, "an input must be read alike however it lies in memory")


def _check_refusals(trial: _Trial) -> None:
    good = _rows(trial, _batches(trial)[0])
    _refuses(trial, {}, "no input at all")
    _refuses(trial, good | {"no such input": np.zeros((1, 1), np.float32)}, "an input it does not have")
    for port in trial.ports:
        array = good[port.name]
        renamed = {name: value for name, value in good.items() if name != port.name} | {port.name + "?": array}
        _refuses(trial, renamed, f"input '{port.name}' under another name")
        other = np.dtype(np.float64 if array.dtype != np.float64 else np.float32)
        _refuses(trial, good | {port.name: array.astype(other)}, f"input '{port.name}' as {other}")
        _refuses(trial, good | {port.name: array[None]}, f"input '{port.name}' with an axis more")
        for axis, length in enumerate(port.shape):
            if length is not None:
                longer = np.repeat(array, 2, axis=axis)
                _refuses(trial, good | {port.name: longer}, f"input '{port.name}' with axis {axis} twice as long")


def _refuses(trial: _Trial, inputs: Arrays, what: str) -> None:
    try:
        trial.session.run(inputs)
    except DataError:
        return
    except Exception as exc:
        sentence = f"run must refuse {what} with a DataError, not with {type(exc).__name__}"
        raise ContractError(trial.runtime, sentence) from exc
    raise ContractError(trial.runtime, f"run must refuse {what} with a DataError, but answered")


def _check_close(trial: _Trial) -> None:
    inputs = _rows(trial, _batches(trial)[0])
    trial.session.close()
    try:
        trial.session.run(inputs)
    except Exception:  # any error will do: it is the caller's code that is wrong
        return
    raise ContractError(trial.runtime, "run must raise after close(), but answered")


def _batches(trial: _Trial) -> tuple[int, ...]:
    """The batches to try; a session that says `fixed_batch`, or a graph that fixes it, is tried at that one."""
    fixed = {port.shape[0] for port in trial.ports if port.shape} - {None}
    size = trial.session.settings.get("fixed_batch")
    if size is not None:
        return (int(size),)
    return tuple(length for length in fixed if length is not None) or BATCHES


def _rows(trial: _Trial, batch: int, scale: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    """The first rows of the example, (batch, *shape) by name; no two alike where they are floats, nor those of another
    scale."""
    rows = {}
    for name, array in trial.example.items():
        values = array[np.arange(batch) % len(array)]
        if values.dtype.kind == "f":
            factors = scale / (1 + np.arange(batch, dtype=values.dtype))
            factors = factors.reshape(-1, *[1] * (values.ndim - 1))  # (batch, 1, ..., 1)
            values = (values * factors).astype(values.dtype)
        rows[name] = values
    return rows
