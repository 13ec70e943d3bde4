"""The runtimes that are installed, by their entry points: kdeploy's own and anyone's alike."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

from kdeploy.errors import MissingError, ModelError
from kdeploy.runtimes.protocol import Processors, Refused, Runtime, Source

GROUP = "kdeploy.runtimes"
REFERENCE = "reference"  # the ONNX reference evaluator: it says what ONNX means, in NumPy and slowly


def names() -> list[str]:
    """Every runtime that some installed package declares, whether or not it can run here."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def available() -> dict[str, Runtime]:
    """The runtimes that can run here, by name."""
    runtimes: dict[str, Runtime] = {}
    for name in names():
        with suppress(MissingError):
            runtimes[name] = find(name)
    return runtimes


def deployable() -> list[str]:
    """Those that can run here, by name, without the reference evaluator, which nobody deploys."""
    return [name for name in available() if name != REFERENCE]


def find(name: str) -> Runtime:
    """The runtime of this name.

    Raises: MissingError when no package declares it, or what it needs is not installed.
    """
    runtime = _load(name)
    advice = runtime.missing()
    if advice is not None:
        raise MissingError(f"runtime '{name}'", "must be installed", advice=advice)
    return runtime


def processors(name: str, precision: str) -> Processors:
    """The processors for which a runtime converts; unknown for a runtime that is older than that promise."""
    runtime = find(name)
    ask = getattr(runtime, "processors", None)
    return Processors(None, f"{name} does not say it") if ask is None else ask(precision)


def convert(name: str, source: Source, folder: Path, *, precision: str = "fp32") -> Path:
    """The file that a runtime converts a source into, for a caller who cannot do without.

    Raises: ModelError when the runtime refuses; MissingError when it is not here.
    """
    try:
        return find(name).convert(source, folder, precision=precision)
    except Refused as refusal:
        raise refused(name, source.onnx, precision, refusal) from refusal


def refused(name: str, path: Path, precision: str, refusal: Refused) -> ModelError:
    """What to raise where a runtime refuses a file that it was to take."""
    return ModelError(
        f"runtime '{name}'",
        f"must take {path.name} in {precision}",
        got=refusal.reason,
        advice="Choose another, or ask for it in export.formats of a recipe, which has the torch module.",
    )


def _load(name: str) -> Runtime:
    where = f"runtime '{name}'"
    for entry in entry_points(group=GROUP, name=name):
        try:
            runtime: Runtime = entry.load()()
        except (ImportError, AttributeError) as exc:
            raise MissingError(where, f"must be importable from {entry.value}", got=str(exc)) from exc
        return runtime
    advice = "Choose one of these, or install the package that brings it."
    raise MissingError(where, f"must be one of {', '.join(names())}", advice=advice)
