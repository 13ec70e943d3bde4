"""Which form of a bottleneck is faster, and does `auto` find it? Into RESULTS.md: `python benchmarks/bottleneck.py`.

    D -> k -> H, ReLU -> 10, drawn weights, one thread; about ten minutes, on a machine that does nothing else

`auto` is the product's own choice: one measurement at batch 1 on the target. The table is a second one, at batch 1 and
64, which had no part in the choice.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sections
import torch
from torch import nn

from kdeploy.models.shallow import break_even
from kdeploy.records.bench import BenchRecord, Comparison
from kdeploy.records.export import FormName
from kdeploy.stages.export import forms
from kdeploy.system import host
from kdeploy.system.progress import Progress
from kdeploy.timing.request import NoiseLimits, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process
from kdeploy.transforms.fuse import fuse

SHAPES = ((784, 64, 2000), (784, 250, 2000), (784, 500, 2000), (1845, 250, 8000), (256, 250, 256))
RUNTIMES, BATCHES = ("onnxruntime", "openvino"), (1, 64)
CLASSES, INPUT = 10, "x"
MOST = 1.03  # times the other form's latency: asked of the form that `auto` chose, at batch 1


class Row(NamedTuple):
    """One comparison; `chosen` is what `auto` ships for this shape and runtime."""

    shape: tuple[int, int, int]
    runtime: str
    batch: int
    factored_ns: int
    fused_ns: int
    interval: tuple[float, float] | None  # of factored / fused
    chosen: FormName

    @property
    def against_other(self) -> float:
        """Latency of the form chosen / of the other one."""
        ratio = self.factored_ns / self.fused_ns
        return ratio if self.chosen == "factored" else 1 / ratio

    @property
    def name(self) -> str:
        return "-".join(map(str, self.shape))


def main() -> None:
    options = argparse.ArgumentParser(description="The bottleneck fused and factored, and what auto chooses.")
    options.add_argument("--replicates", type=int, default=8, help="process pairs; an interval needs 8")
    asked = options.parse_args()
    settings = Settings.quick().model_copy(update={"looks": (asked.replicates,)})
    rows = [row for shape in SHAPES for runtime in RUNTIMES for row in measured(shape, runtime, settings)]
    sections.replace("bottleneck", written(rows, asked.replicates))


def measured(shape: tuple[int, int, int], runtime: str, settings: Settings) -> Iterator[Row]:
    """What `auto` chooses for a network on a runtime, and then how fast each form is."""
    draws = np.random.default_rng(0)
    inputs = draws.standard_normal((forms.PROOF_INPUTS, shape[0])).astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        network = drawn(*shape)
        forms.export(
            folder, {"factored": network, "fused": fuse(network).layers.eval()}, network, INPUT, inputs, runtime
        )
        files = [folder / f"student.{form}.onnx" for form in ("factored", "fused")]
        auto = forms.comparison(folder / "auto", *files, inputs, runtime)
        every_block = settings.model_copy(update={"limits": NoiseLimits(voids=False)})  # counts, as when `auto` chooses
        choice, reason = forms.faster(forms.time(auto, folder / "auto", Progress(), every_block))
        print(f"{shape} {runtime}: {choice} ({reason})", flush=True)
        comparisons = tuple(forms.comparison(folder / "table", *files, inputs, runtime, batch) for batch in BATCHES)
        record = run_in_fresh_process(Request(comparisons=comparisons, settings=settings), folder / "table")
    for comparison in record.comparison:
        yield row(record, comparison, shape, choice)


def row(record: BenchRecord, comparison: Comparison, shape: tuple[int, int, int], choice: FormName) -> Row:
    factored, fused = (record.arm(name).latency_ns for name in (comparison.baseline, comparison.candidate))
    if factored is None or fused is None:
        raise SystemExit(f"{comparison.claim.text}. Run it again when nothing else runs.")
    interval = comparison.ratio.ci if comparison.ratio else None
    return Row(shape, comparison.runtime, comparison.batch, factored.median.value, fused.median.value, interval, choice)


def drawn(inputs: int, width: int, hidden: int) -> nn.Sequential:
    """A network with weights of the scale that a student begins with."""
    torch.manual_seed(0)
    layers = nn.Linear(inputs, width, bias=False), nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
    return nn.Sequential(*layers).eval()


def written(rows: list[Row], replicates: int) -> list[str]:
    """The section of RESULTS.md."""
    names = host.library_versions(("kdeploy", "torch", *RUNTIMES, "numpy"))
    headings = (
        *("D-k-H", "break-even", "runtime", "batch", "factored, us", "fused, us"),
        *("factored / fused", "99 % interval", "auto", "auto / other"),
    )
    return [
        "## bottleneck",
        "",
        "- command: `python benchmarks/bottleneck.py`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, one thread; {host.os_name()}",
        f"- versions: {sections.versions(names)}",
        "",
        f"Medians of {replicates} process pairs. `auto` chose at batch 1 from a measurement of its own.",
        "",
        *sections.table(headings, map(cells, rows)),
        *verdict(rows),
    ]


def cells(row: Row) -> tuple[str, ...]:
    inputs, _, outputs = row.shape
    return (
        row.name,
        f"{break_even(inputs, outputs):.0f}",
        row.runtime,
        str(row.batch),
        f"{row.factored_ns / 1e3:.1f}",
        f"{row.fused_ns / 1e3:.1f}",
        f"{row.factored_ns / row.fused_ns:.3f}",
        "-" if row.interval is None else f"{row.interval[0]:.3f} to {row.interval[1]:.3f}",
        row.chosen,
        f"{row.against_other:.3f}",
    )


def verdict(rows: list[Row]) -> list[str]:
    """Is the choice as good as asked, and where is it not the best for large batches?"""
    over = [row for row in rows if row.batch == 1 and row.against_other > MOST]
    met = "Met" if not over else "NOT MET: " + "; ".join(map(words, over))
    worse = [row for row in rows if row.batch != 1 and row.against_other > MOST]
    return [
        f"Asked: at batch 1 the form that `auto` chose takes at most {MOST} times as long as the other. {met}.",
        "",
        "Where the choice at batch 1 is not the best at batch 64: " + ("; ".join(map(words, worse)) or "nowhere") + ".",
    ]


def words(row: Row) -> str:
    return f"{row.name} on {row.runtime}, {row.against_other:.2f} times the other"


if __name__ == "__main__":
    main()
