"""Write what plans said, and what their runs then took, into benchmarks/RESULTS.md.

    python benchmarks/plan_estimates.py [--rounds 2] [--case mnist-5k] ...

Each case is planned and run from nothing, round after round. Elapsed time is that of a machine with whatever else it
does: the section says its load at both moments. So both are measured in seconds of the processor too, of the process
and the children that it waited for, which other work disturbs less. Memory is the most resident at once, of the process
and its children, sampled; disk is what the folder of the run's stages holds at its end. Asked for: a factor of 1.5 in
time, of 1.2 in memory and in disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import sections
from sections import table

from kdeploy.formatting import numbers
from kdeploy.system import host

TIME_FACTOR, SIZE_FACTOR = 1.5, 1.2  # asked for
BRIEF = ("bench.max_seconds=30", "bench.throughput=[]", "gate={}")
CIFAR = ("data.split.labeled=2000", "data.split.held_out=200", *BRIEF)
CASES: dict[str, tuple[str, ...]] = {
    "mnist-5k": ("mnist-5k", "teacher.0.train.steps=100", "distill.epochs=4", "distill.seeds=1", *BRIEF),
    "cifar10-onnx": ("cifar10-quick", "teacher=[{onnx: ../teachers/cifar10-cnn-a.onnx}]", "views.count=2", *CIFAR),
    "cifar10-quick": ("cifar10-quick", "teacher.0.train.epochs=4", *CIFAR),
}
PLAN = """
import json, os, sys
from pathlib import Path
from kdeploy.pipeline import order
from kdeploy.verbs import plan
from kdeploy.verbs.prepare import Options, prepare
def spent(): return sum(os.times()[:4])
options = Options(runs=Path(sys.argv[1]), data_root=Path(sys.argv[2]), overrides=tuple(sys.argv[4:]))
record = plan.plan(prepare(sys.argv[3], options, planned=True)[0], clock=spent)
print(record.to_json())
"""
RUN = """
import json, os, sys, time
from pathlib import Path
from kdeploy import api
from kdeploy.records.run import StageKey
from kdeploy.system.progress import Progress
from kdeploy.system.resident import PeakMemory
from kdeploy.verbs.prepare import Options
class Laps(Progress):
    laps, last = {}, None
    def say(self, text):
        now = time.monotonic(), sum(os.times()[:4])
        if text.startswith(" "):
            return
        if self.last is not None:
            name, then = self.last
            self.laps[name] = now[0] - then[0], now[1] - then[1], memory.take()
        self.last = text, now
with PeakMemory() as memory:
    memory.take()
    laps = Laps()
    options = Options(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[4:]), progress=laps)
    job = api.run(sys.argv[3], options, check_gate=False)
    laps.say("end")
print(json.dumps({"laps": laps.laps, "files": {name: str(job.store.folder(name, job.prints[StageKey.parse(name)]))
                                               for name in laps.laps}}))
"""


class Round(NamedTuple):
    """One case, planned and run; seconds elapsed, and of the processor, by stage."""

    planned: dict[str, Any]
    planned_processor: dict[str, Any]
    laps: dict[str, tuple[float, float, int]]
    disk: dict[str, int]
    load: tuple[float, float]


def asked(program: str, runs: Path, data_root: Path, words: tuple[str, ...]) -> Any:
    """What a program prints, as JSON."""
    command = [sys.executable, "-c", program, str(runs), str(data_root), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measured(case: tuple[str, ...], data_root: Path) -> Round:
    """Plan a case twice, on two clocks, and run it, in a folder of its own."""
    name, *overrides = case
    sets = [word for setting in overrides for word in ("--set", setting)]
    with tempfile.TemporaryDirectory(prefix="kdeploy-plans-") as folder:
        runs, before = Path(folder) / "runs", os.getloadavg()[0]
        program = [Path(sys.executable).with_name("kdeploy"), "plan", name, "--json", *sets]
        places = ["--runs", runs, "--data-root", data_root]
        done = subprocess.run([*program, *places], stdout=subprocess.PIPE, text=True, check=True)
        processor = asked(PLAN, runs, data_root, case)
        began = os.getloadavg()[0]
        found = asked(RUN, runs, data_root, case)
        disk = {stage: folder_bytes(Path(path)) for stage, path in found["files"].items()}
    load = ((before + began) / 2, (began + os.getloadavg()[0]) / 2)
    return Round(json.loads(done.stdout), processor, found["laps"], disk, load)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def lines(name: str, rounds: list[Round]) -> list[str]:
    """The section of one case: a table of the last round, and a line a round on all stages together."""
    recipe, *overrides = CASES[name]
    headings = ("stage", "time", "taken", "processor", "taken", "memory", "taken", "disk", "taken")
    return [
        f"## plan-{name}",
        "",
        f"- command: `python benchmarks/plan_estimates.py --case {name} --rounds {len(rounds)}`, of",
        f"  `kdeploy run {recipe}" + "".join(f" --set '{override}'" for override in overrides) + "`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, {host.os_name()}; OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'unset')}",
        f"- versions: {sections.versions(host.library_versions(('kdeploy', 'torch', 'numpy', 'onnxruntime')))}",
        "",
        "What `kdeploy plan` said, and beside it what the run took; processor is seconds of it, of the process and the",
        "children that it waited for.",
        "",
        *table(headings, [row(stage, rounds[-1]) for stage in rounds[-1].laps]),
        *(f"- {in_all(one)}" for one in rounds),
    ]


def row(stage: str, one: Round) -> tuple[str, ...]:
    cost, processor, (elapsed, spent, memory) = (
        cost_of(one.planned, stage),
        cost_of(one.planned_processor, stage),
        (one.laps[stage]),
    )
    return (
        stage,
        numbers.duration(cost["seconds"]),
        numbers.duration(elapsed),
        numbers.seconds(processor["seconds"]),
        numbers.seconds(spent),
        numbers.size(cost["memory_bytes"]),
        numbers.size(memory),
        numbers.size(cost["disk_bytes"]),
        numbers.size(one.disk[stage]),
    )


def cost_of(plan: dict[str, Any], stage: str) -> dict[str, Any]:
    return dict(next(one["cost"] for one in plan["stages"] if one["stage"] == stage))


def in_all(one: Round) -> str:
    """All stages together, and whether what was asked for is met."""
    laps, time = one.laps.values(), one.planned["time"]
    ratios = {
        "time": (time["seconds"], sum(lap[0] for lap in laps), TIME_FACTOR),
        "processor": (one.planned_processor["time"]["seconds"], sum(lap[1] for lap in laps), TIME_FACTOR),
        "memory": (time["memory_bytes"], max(lap[2] for lap in laps), SIZE_FACTOR),
        "disk": (time["disk_bytes"], sum(one.disk.values()), SIZE_FACTOR),
    }
    said = [
        f"{key} {planned / taken:.2f} of what it took{within(planned, taken, factor)}"
        for key, (planned, taken, factor) in ratios.items()
    ]
    return (
        f"{', '.join(said)}; found out in {numbers.duration(time['estimate_seconds'])}; "
        f"load {one.load[0]:.1f} when planned, {one.load[1]:.1f} when run"
    )


def within(planned: float, taken: float, factor: float) -> str:
    met = planned <= factor * taken and taken <= factor * planned
    return "" if met else f" (not within {factor:g})"


def main(names: list[str], rounds: int, data_root: Path) -> None:
    """Measure the cases and write their sections."""
    for name in names:
        found = [measured(CASES[name], data_root) for _ in range(rounds)]
        sections.replace(f"plan-{name}", lines(name, found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("KDEPLOY_DATA") or "data"))
    arguments = parser.parse_args()
    main(arguments.case or list(CASES), arguments.rounds, arguments.data_root)
