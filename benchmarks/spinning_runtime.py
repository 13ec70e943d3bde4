"""A runtime whose models spin on the clock: how long a call takes is written in the model, so the answer is known.

A model is a JSON file, a `SpinningModel`. Workers find the runtime by its entry point once `install` has put a
distribution of that name, this file in it, into a folder of their PYTHONPATH. The output `y` is the sum of each row of
the input `x`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from kdeploy.runtimes.protocol import Arrays, Processors, Refused, Source

if TYPE_CHECKING:  # a worker pays for what it imports
    from kdeploy.timing.request import ComparisonRequest

NAME = "spinning"


@dataclass(frozen=True)
class SpinningModel:
    """A model that spins for `ns`.

    `spread` is the sd of a factor, of median 1, that a process draws; `remembers` spins for no input twice.
    """

    ns: int
    spread: float = 0.0
    wrong: bool = False
    remembers: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


# what makes a candidate one that must be refused, and the code
SPOILED: dict[str, tuple[str, dict[str, object]]] = {
    "wrong but fast": ("R13", {"wrong": True}),
    "bf16 against f32": ("R02", {"settings": {"precision": "bf16"}}),
    "other threads": ("R03", {"settings": {"threads": "2"}}),
    "another provider": ("R12", {"settings": {"provider": "GPU"}}),
    "memoising": ("R15", {"remembers": True}),
}


class Spinning:
    name = NAME

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "1.0"

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        raise Refused("it has no model but its own")

    def processors(self, precision: str) -> Processors:
        return Processors(None, "it converts nothing")

    def load(self, artefact: Path, *, threads: int) -> SpinningSession:
        return SpinningSession(SpinningModel(**json.loads(artefact.read_bytes())), threads)


class SpinningSession:
    """A session whose calls spin: the time that a call takes in addition is measured at the start, and taken off."""

    def __init__(self, model: SpinningModel, threads: int) -> None:
        self.settings = {"precision": "fp32", "threads": str(threads), "provider": "CPU"} | dict(model.settings)
        self._model, self._last = model, b""
        self._ns, factor = 20_000, random.Random(os.getpid()).gauss(1, model.spread)
        self._ns = round(model.ns * factor) - self._excess_ns()

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        began, rows = time.perf_counter_ns(), inputs["x"]
        answer = {"y": np.zeros(len(rows), np.float32) if self._model.wrong else rows.sum(axis=1)}
        if self._model.remembers and rows.tobytes() == self._last:
            return answer
        self._last = rows.tobytes() if self._model.remembers else b""
        while time.perf_counter_ns() - began < self._ns:
            pass
        return answer

    def close(self) -> None:
        pass

    def _excess_ns(self) -> int:
        """How much longer than its spinning a call takes."""
        took = []
        for _ in range(200):
            began = time.perf_counter_ns()
            self.run({"x": np.zeros((1, 4), np.float32)})
            took.append(time.perf_counter_ns() - began)
        return round(median(took)) - self._ns


def install(folder: Path) -> Path:
    """Make the runtime known to every Python that has this folder on its path."""
    about = folder / "kdeploy_spinning-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kdeploy-spinning\nVersion: 1.0\n")
    shutil.copy(__file__, folder / "spinning_runtime.py")
    (about / "entry_points.txt").write_text(f"[kdeploy.runtimes]\n{NAME} = spinning_runtime:Spinning\n")
    return folder


def comparison(folder: Path, baseline: SpinningModel, candidate: SpinningModel) -> ComparisonRequest:
    """A request for two models, which are written into the folder with their inputs and true outputs."""
    from kdeploy.timing.request import ArmRequest, ComparisonRequest

    folder.mkdir(parents=True, exist_ok=True)
    inputs = np.random.default_rng(0).random((64, 4), dtype=np.float32)
    np.savez(folder / "inputs.npz", x=inputs)
    np.savez(folder / "expected.npz", y=inputs.sum(axis=1))
    arms = []
    for name, model in (("slow", baseline), ("fast", candidate)):
        path = folder / f"{name}.spin"
        path.write_text(json.dumps(asdict(model)))
        arms.append(
            ArmRequest(
                model=name,
                artefact=path,
                inputs=folder / "inputs.npz",
                expected=folder / "expected.npz",
                tolerance=1e-4,
            )
        )
    return ComparisonRequest(baseline=arms[0], candidate=arms[1], runtime=NAME)


def spoiled(folder: Path, kind: str, ns: int = 300_000) -> ComparisonRequest:
    """A candidate three times as fast, and wrong in one way of `SPOILED`."""
    changes = SPOILED[kind][1]
    return comparison(folder / kind.replace(" ", "-"), SpinningModel(ns), SpinningModel(ns // 3, **changes))  # type: ignore[arg-type]
