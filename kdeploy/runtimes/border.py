"""The border between a session and a runtime's library: inputs are checked going in, errors translated coming out.

Inputs are checked here and not left to the runtimes, because they disagree: OpenVINO silently converts float64 where
ONNX Runtime objects, and each words its objection differently. A model must refuse the same inputs everywhere.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple, NoReturn

import numpy as np

from kdeploy.errors import DataError, KdeployError, ModelError, ResourceError, UsageError
from kdeploy.formatting.shortage import is_shortage
from kdeploy.formatting.untrusted import is_unicode
from kdeploy.runtimes.protocol import Arrays, NotOffered, Processors, Refused

BOTH = ("x86_64", "aarch64")
SINGLE = Processors(BOTH, "float32 is computed as float32 on every processor")


class Port(NamedTuple):
    """One input of a model; None stands for a length that is free."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


class InputGuard:
    """Refuses inputs that are not the model's, at the cost of a comparison when they look like the last ones.

    It stands on the timed path of every benchmark, hence the memory of what was last accepted: half a microsecond
    for one input, where the whole check takes several.
    """

    def __init__(self, where: str, ports: Sequence[Port]) -> None:
        self._where = where
        self._ports = tuple(ports)
        self._accepted: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

    def check(self, inputs: Arrays) -> None:
        """Accept one array for each port, of its dtype and shape, with any length where the port's is None.

        Raises: DataError when a name, dtype, rank or fixed length is not the model's, or batches differ.
        """
        accepted = self._accepted
        if accepted and len(inputs) == len(accepted):
            for name, array in inputs.items():
                last = accepted.get(name)
                # exact types on the fast path: a subclass of ndarray takes the slow one and is judged there
                if last is None or type(array) is not np.ndarray or array.shape != last[0] or array.dtype != last[1]:
                    break
            else:
                return
        self._check_names(inputs)
        for port in self._ports:
            self._check_port(port, inputs[port.name])
        self._check_batches(inputs)
        self._accepted = {name: (array.shape, array.dtype) for name, array in inputs.items()}

    def _check_names(self, inputs: Arrays) -> None:
        names = sorted(port.name for port in self._ports)
        if sorted(inputs) != names:
            raise DataError(self._where, f"must be given the inputs {names}", got=f"{sorted(inputs)}")

    def _check_port(self, port: Port, array: object) -> None:
        if isinstance(array, np.ndarray) and array.dtype == port.dtype and _fits(array.shape, port.shape):
            return
        must = f"input '{port.name}' must be {port.dtype} of shape {_written(port.shape)}"
        raise DataError(self._where, must, got=_described(array), advice="Convert it before the call.")

    def _check_batches(self, inputs: Arrays) -> None:
        batches = {port.name: len(inputs[port.name]) for port in self._ports if port.shape[:1] == (None,)}
        if len(set(batches.values())) > 1:
            rows = ", ".join(f"{name}: {count}" for name, count in batches.items())
            raise DataError(self._where, "inputs must have the same number of rows", got=rows)


def fixed_batch(ports: Sequence[Port]) -> dict[str, str]:
    """The setting `fixed_batch` when every input has one and the same fixed number of rows, else nothing."""
    batches = {port.shape[0] if port.shape else None for port in ports}
    return {"fixed_batch": str(batches.pop())} if len(batches) == 1 and None not in batches else {}


def only_fp32(runtime: str, precision: str) -> None:
    """Refuse every precision but fp32.

    Raises: NotOffered.
    """
    if precision != "fp32":
        raise NotOffered(f"{runtime} converts to fp32 only, not to {precision}")


def check_threads(runtime: str, threads: int) -> None:
    """Check the number of threads.

    Raises: UsageError below 1, which runtimes read as "all cores".
    """
    if threads < 1:
        raise UsageError(f"runtime '{runtime}'", "threads must be at least 1", got=str(threads))


@contextmanager
def reading(where: str, runtime: str) -> Iterator[None]:
    """Turns whatever a library raises while it reads a model into a ModelError."""
    try:
        yield
    except (KdeployError, MemoryError):
        raise
    except Exception as exc:
        _raise_shortage(where, f"must be read by {runtime}", exc)
        if not is_unicode(where):
            must = f"must have a name in UTF-8, to be read by {runtime}"
            raise ModelError(where, must, advice="Rename it, or the folder that it is in.") from exc
        advice = "Check the path, or export the model again."
        raise ModelError(where, f"must be a model that {runtime} reads", got=last_line(exc), advice=advice) from exc


@contextmanager
def converting(where: str, must: str) -> Iterator[None]:
    """Turns whatever a converter raises into a ModelError that says what the model must be, and keeps it quiet."""
    try:
        with quietly():
            yield
    except (KdeployError, MemoryError):
        raise
    except Exception as exc:  # a converter raises what ONNX, NumPy and it itself do
        _raise_shortage(where, must, exc)
        raise ModelError(where, must, got=last_line(exc)) from exc


@contextmanager
def quietly() -> Iterator[None]:
    """Silences warnings, logs and stdout: converters warn of their own parts and print their progress on stdout, which
    belongs to --json."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def calibrated(calibration: Iterable[Arrays] | None) -> Iterable[Arrays]:
    """The inputs to calibrate on, batches of arrays (rows, *shape) by name.

    Raises: Refused when there are none.
    """
    if calibration is None:
        raise Refused("int8 needs inputs to calibrate on, and there are none")
    return calibration


def failed(where: str, runtime: str, exc: Exception) -> NoReturn:
    """Translate an error inside a run, whose inputs had been accepted.

    Raises: ModelError; ResourceError where memory or threads ran out.
    """
    _raise_shortage(where, f"must run in {runtime}", exc)
    raise ModelError(where, f"must run in {runtime}", got=last_line(exc)) from exc


def _raise_shortage(where: str, must: str, exc: Exception) -> None:
    """Raise ResourceError where memory or threads ran out: that is no fault of the model."""
    if is_shortage(exc):
        advice = "Use smaller batches, or raise the limits of this process."
        must = f"{must} within the memory and threads that there are"
        raise ResourceError(where, must, got=last_line(exc), advice=advice) from exc


def last_line(exc: BaseException) -> str:
    """The last line of a library's message: OpenVINO puts the cause there, below the places in its sources."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[-1][:300].rstrip(".") if lines else type(exc).__name__


def closed(where: str) -> NoReturn:
    """Refuse to run a closed session, which is a mistake of the caller's code.

    Raises: KdeployError.
    """
    raise KdeployError(where, "must not be run after close()")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _written(shape: tuple[int | None, ...]) -> str:
    lengths = ["any" if length is None else str(length) for length in shape]
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"


def _described(array: object) -> str:
    return f"{array.dtype} of shape {_written(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
