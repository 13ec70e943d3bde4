"""`make kill-test`: SIGKILLs spread over every stage of a run; the results must be those of a run nobody disturbed.
`make kill-test KILLS=200` for more of them.

    reference   one run of recipes/tiny.yaml that nobody disturbs
    chains      start it again and again in one folder; kill the whole process group at a drawn moment of a stage that
                is named beforehand; after the last kill of the chain, let it end
    inside      a chain whose moments are found on disk: the teacher's training inside an epoch, labelling between two
                blocks, a student's training inside an epoch, each by what lies in `.work` when the process is dead
    sweeps      a sweep of two variants that is killed at drawn moments, and ended by two at once in one folder

Beside every chain and every sweep `kdeploy clean --yes` runs again and again, and must never take what a run names or
is about to name. Trainings write a checkpoint every tenth of a second instead of every 15 seconds, or none would be
read here. A finished chain must have the weights, the ONNX files and the accuracies of the reference, and nothing
broken beside them. Prints a table and exits with 1 on any difference. Two chains run side by side, each in a folder of
its own; 20 kills take about eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open

from kdeploy.labels.store import BLOCK_ROWS
from kdeploy.recipe.load import load
from kdeploy.records.labels import LabelHeader

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPE = REPOSITORY / "recipes" / "tiny.yaml"
PROGRAM = Path(sys.executable).with_name("kdeploy")
STAGES = ("samples", "teacher", "labels", "distill", "export", "verify", "bench", "bundle", "report")
START = "start"  # before the first stage is named
TEMPORARY = ".kdeploy-tmp-"
PATIENCE_SECONDS = 300
CHECKPOINT_SECONDS = "0.1"
WEIGHTS = "[!.]*/*/*.safetensors"
VARIANTS = "variants: {plain: {}, longer: {distill: {epochs: 13}}}\n"
SIDE_BY_SIDE = 2  # a run keeps one core busy most of the time
ATTEMPTS = 12  # to find a process between two blocks, or inside an epoch


class Moment(NamedTuple):
    """When to kill: so many seconds after a stage was named."""

    stage: str
    seconds: float


class Running:
    """A run in a process group of its own, and which stage it is at, by what it prints on stderr."""

    def __init__(self, runs: Path, *words: str | Path) -> None:
        self.named = [START]
        self.began = {START: time.monotonic()}
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [PROGRAM, *(words or ("run", RECIPE)), "--runs", runs, "--json"],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # threads that spin while they wait make stages take twice as long or half, and the moments miss
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "KDEPLOY_CHECKPOINT_SECONDS": CHECKPOINT_SECONDS},
        )
        self.reader = threading.Thread(target=self._follow, daemon=True)
        self.reader.start()

    def _follow(self) -> None:
        assert self.process.stderr is not None
        for line in map(str.strip, self.process.stderr):
            with self.changed:
                self.lines.append(line)
                if line in STAGES:
                    self.named.append(line)
                    self.began[line] = time.monotonic()
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, moment: Moment) -> bool:
        """Whether the moment came, or a later one, before the end of the run."""
        order = (START, *STAGES)
        late_enough = order[order.index(moment.stage) :]
        with self.changed:
            self.changed.wait_for(
                lambda: self.named[-1] in late_enough or not self.reader.is_alive(), timeout=PATIENCE_SECONDS
            )
            reached = self.named[-1]
        if reached == moment.stage:
            time.sleep(max(0.0, self.began[reached] + moment.seconds - time.monotonic()))
        return self.process.poll() is None

    def wait_until(self, found: Callable[[], str]) -> None:
        """Until there is something, or the run has ended."""
        while self.process.poll() is None:
            # a file may go between finding and reading it: the stage is done
            with contextlib.suppress(FileNotFoundError):
                if found():
                    return
            time.sleep(0.002)

    def kill(self) -> str:
        """Kill the group; the stage that was hit.

        Raises: SystemExit when a process that it had started is still there ten seconds later.
        """
        family = descendants(self.process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        deadline = time.monotonic() + 10
        while left := [pid for pid in family if parent(pid) is not None]:
            if time.monotonic() > deadline:
                raise SystemExit(f"kill-test: no process may outlive a kill (these do: {left}).")
            time.sleep(0.05)
        return self.named[-1]

    def finish(self) -> dict[str, Any]:
        """The summary of a run that ends by itself."""
        assert self.process.stdout is not None
        text = self.process.stdout.read()
        if self.process.wait(PATIENCE_SECONDS) != 0:
            self.reader.join()
            raise SystemExit("kill-test: a run must end by itself with 0. It said:\n" + "\n".join(self.lines))
        self.reader.join()
        return dict(json.loads(text))


class Cleaning:
    """`kdeploy clean --yes` of a folder, again and again while the block runs; it must end with 0 each time."""

    def __init__(self, runs: Path) -> None:
        self.runs, self.times, self.failed = runs, 0, ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._clean, daemon=True)

    def __enter__(self) -> Cleaning:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _clean(self) -> None:
        while not self.over.wait(0.2):
            words = [PROGRAM, "clean", "--runs", self.runs, "--yes"]
            done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=REPOSITORY)
            self.times += 1
            self.failed = self.failed or (f"clean: {done.stderr.strip()}" if done.returncode else "")

    @property
    def wrong(self) -> list[str]:
        """What went wrong, once the block has ended."""
        return [self.failed] if self.failed else [] if self.times else ["clean never ran"]


def parent(pid: int) -> int | None:
    """The parent of a living process; None when it is gone or only waits to be reaped."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[1])


def descendants(pid: int) -> set[int]:
    """The living children of a process, their children, and so on."""
    parents = {int(path.name): parent(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found: set[int] = set()
    while more := {child for child, its in parents.items() if its in {pid, *found}} - found:
        found |= more
    return found


def between_blocks(runs: Path) -> str:
    """Which of the blocks of labels there are, when there are some but not all."""
    for path in runs.glob(".work/labels/*/header.json"):
        header = LabelHeader.read(path)
        views, rows, _ = header.shape
        every = views * -(-rows // BLOCK_ROWS)
        if 0 < len(header.blocks) < every:
            return f"labelling, after block {len(header.blocks)} of {every}"
    return ""


def inside_epoch(runs: Path, stage: str, samples: int, batch: int, role: str) -> str:
    """Where a training is, when its last checkpoint is not at the end of an epoch."""
    for path in runs.glob(f".work/{stage}/*/{role}*.checkpoint"):
        with safe_open(path, framework="np") as stream:
            step = int(stream.metadata()["step"])
        if part := step % (samples // batch):
            return f"{path.stem}, step {step}, {part} of {samples // batch} of its epoch"
    return ""


def places() -> list[tuple[str, Callable[[Path], str]]]:
    """Each place inside a stage, and how to see that a run is there, in the order of the run."""
    recipe = load(RECIPE).recipe
    split, train, distill = recipe.data.split, recipe.teacher[0].train, recipe.distill
    labeled = split.labeled or 0
    transfer = labeled + (split.unlabeled or 0)
    return [
        ("teacher", partial(inside_epoch, stage="teacher", samples=labeled, batch=train.batch, role="teacher")),
        ("labels", between_blocks),
        ("student", partial(inside_epoch, stage="distill", samples=transfer, batch=distill.batch, role="student")),
    ]


class Result(NamedTuple):
    """What must be equal: hashes of weights and models by file, accuracies, the agreement."""

    files: dict[str, str]
    scores: dict[str, Any]


def result(runs: Path, summary: dict[str, Any]) -> Result:
    kept = [path for suffix in ("safetensors", "onnx") for path in runs.glob(f"[!.]*/*/*.{suffix}")]
    files = {str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(kept)}
    scores = {role: _without_costs(summary[role]) for role in ("teacher", "student", "baseline")}
    return Result(files, scores | {"agreement": summary["agreement"], "difference": summary["verdict"]["difference"]})


def _without_costs(score: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in score.items() if "accuracy" in key or key == "per_seed"}


def broken(runs: Path) -> list[str]:
    """What a killed run left that it must not leave."""
    wrong = [f"{path.relative_to(runs)}: no record" for path in _folders(runs) if not (path / "record.json").is_file()]
    wrong += [f"{path.relative_to(runs)}: checkpoint in finished work" for path in runs.glob("[!.]*/*/*.checkpoint")]
    # a sweep takes what is older than an hour; let it be that old
    for path in runs.rglob(f"{TEMPORARY}*"):
        os.utime(path, (0, 0))
    summary = Running(runs).finish()
    wrong += [f"stages run again: {summary['stages_run']}"] if summary["stages_run"] else []
    wrong += [f"{path.relative_to(runs)}: not swept" for path in runs.rglob(f"{TEMPORARY}*")]
    verified = subprocess.run(
        [PROGRAM, "verify", runs / summary["bundle"]], capture_output=True, text=True, check=False, timeout=120
    )
    return wrong + ([f"bundle: {verified.stderr.strip()}"] if verified.returncode else [])


def _folders(runs: Path) -> Iterator[Path]:
    return (path for path in runs.glob("[!.]*/*") if path.is_dir())


def differences(found: Result, reference: Result) -> list[str]:
    names = sorted({*found.files, *reference.files})
    wrong = [f"{name}: other bytes" for name in names if found.files.get(name) != reference.files.get(name)]
    scores = sorted({*found.scores, *reference.scores})
    return wrong + [
        f"{name}: {found.scores.get(name)} instead of {reference.scores.get(name)}"
        for name in scores
        if found.scores.get(name) != reference.scores.get(name)
    ]


def durations(running: Running) -> dict[str, float]:
    """Seconds that each stage of the finished reference took; what came before the first counts as `start`."""
    ends = [*(running.began[stage] for stage in STAGES), time.monotonic()]
    return {stage: end - running.began[stage] for stage, end in zip((START, *STAGES), ends, strict=True)}


def chains(kills: int, seconds: dict[str, float], draws: random.Random) -> list[list[Moment]]:
    """The moments, each chain in the order of the stages: every stage once, the rest by how long stages take."""
    stages = [*STAGES, *draws.choices(STAGES, [seconds[stage] for stage in STAGES], k=max(0, kills - len(STAGES)))]
    draws.shuffle(stages)
    count = -(-kills // 5)
    return [
        [
            Moment(stage, draws.uniform(0.0, 0.6) * seconds[stage])
            for stage in sorted(stages[:kills][number::count], key=STAGES.index)
        ]
        for number in range(count)
    ]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    options = argparse.ArgumentParser(description="Kill runs and compare what they come to.")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdeploy-kill-") as place:
        return kill_test(Path(place), asked.kills, random.Random(asked.seed))


def kill_test(place: Path, kills: int, draws: random.Random) -> int:
    first = Running(place / "reference")
    reference = result(place / "reference", first.finish())
    seconds = durations(first)
    say("reference: " + ", ".join(f"{stage} {seconds[stage]:.1f} s" for stage in (START, *STAGES)))
    hits: list[str] = []
    wrong: list[str] = []
    pending, number = chains(kills, seconds, draws), 0
    while pending:
        places = [place / f"chain-{number + further}" for further in range(len(pending))]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for hit, found in pool.map(partial(_chain, reference=reference), places, pending):
                hits += hit
                wrong += found
        number += len(pending)
        missed = [stage for stage in STAGES if stage not in hits]
        pending = []
        if (missed or len(hits) < kills) and len(hits) < 2 * kills:
            # a moment drawn late in a short stage can fall into the next one
            stages = missed or list(draws.sample(STAGES, min(len(STAGES), kills - len(hits))))
            pending = [[Moment(stage, draws.uniform(0.0, 0.3) * seconds[stage]) for stage in stages]]
            pending[0].sort(key=lambda moment: STAGES.index(moment.stage))
    wrong += [f"no kill hit {stage}" for stage in missed] + inside(place / "inside", reference)
    wrong += sweeps(place, max(2, kills // 10), draws)
    say(f"{len(hits)} kills, {len(set(hits))} stages hit: {'; '.join(wrong) or 'no difference'}")
    return 1 if wrong or len(hits) < kills else 0


def inside(runs: Path, reference: Result) -> list[str]:
    """Kill one run at each of the places, let it end, and compare."""
    wrong: list[str] = []
    for name, look in places():
        hit = _hit(runs, look)
        say(f"      inside {name}: hit {hit or 'nothing'}")
        wrong += [] if hit else [f"no kill inside {name}"]
    found = differences(result(runs, Running(runs).finish()), reference) + broken(runs)
    say(f"      finished: {'; '.join(found) or 'equal to the reference, nothing broken'}")
    return wrong + found


def sweeps(place: Path, kills: int, draws: random.Random) -> list[str]:
    """Kill a sweep at drawn moments, let two at once end it, and compare with one that nobody disturbed."""
    recipe, runs = place / "sweep.yaml", place / "sweeps"
    recipe.write_text(f"{RECIPE.read_text()}\n{VARIANTS}")
    words = ("sweep", recipe)
    began = time.monotonic()
    rows = Running(place / "sweep", *words).finish()["rows"]
    seconds = time.monotonic() - began
    with Cleaning(runs) as cleaning:
        for number in range(kills):
            running = Running(runs, *words)
            time.sleep(draws.uniform(0.2, 0.9) * seconds / (1 + number % 3))
            say(f"      sweep killed in {running.kill()}")
        both = [Running(runs, *words) for _ in range(2)]
        ended = [running.finish()["rows"] for running in both]
    found = cleaning.wrong + [f"sweep: {name}" for name in _unequal(place / "sweep", runs)]
    found += ["sweep: other results" for one in ended if list(map(_scores, one)) != list(map(_scores, rows))]
    waited = sum("waiting for" in line for running in both for line in running.lines)
    say(f"      two sweeps at once, {waited} times one waited: {'; '.join(found) or 'equal to the reference'}")
    return found


def _unequal(reference: Path, runs: Path) -> list[str]:
    """The weights that are not those of the reference."""
    hashes = [
        {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in place.glob(WEIGHTS)}
        for place in (reference, runs)
    ]
    return sorted(name for name in hashes[0] | hashes[1] if hashes[0].get(name) != hashes[1].get(name))


def _scores(row: dict[str, Any]) -> list[Any]:
    """What two sweeps must agree on: the accuracies of every network."""
    networks = [*row["students"], *row["baselines"]]
    return [row["variant"], row["teacher_accuracy"], *(network["test_accuracy"] for network in networks)]


def _hit(runs: Path, look: Callable[[Path], str]) -> str:
    """What lay on disk when the process was dead; empty when the run was through before that."""
    for _ in range(ATTEMPTS):
        running = Running(runs)
        running.wait_until(lambda: look(runs))
        ended = running.process.poll() is not None
        running.kill()
        if (hit := look(runs)) or ended:
            return hit
    return ""


def _chain(runs: Path, moments: list[Moment], *, reference: Result) -> tuple[list[str], list[str]]:
    """Kill one run at each of the moments and let it end; the stages that were hit, and what is wrong in the end."""
    with Cleaning(runs) as cleaning:
        hits = list(_kills(runs, moments))
        summary = Running(runs).finish()
    wrong = differences(result(runs, summary), reference) + broken(runs) + cleaning.wrong
    say(f"{runs.name:>9}  finished: {'; '.join(wrong) or 'equal to the reference, nothing broken'}")
    return hits, wrong


def _kills(runs: Path, moments: list[Moment]) -> Iterator[str]:
    """The stage that each kill hit, until the run is through."""
    for moment in moments:
        running = Running(runs)
        if not running.wait_for(moment):
            running.kill()
            return
        hit = running.kill()
        say(f"{runs.name:>9}  asked {moment.stage} + {moment.seconds:.2f} s, hit {hit}")
        yield hit


if __name__ == "__main__":
    sys.exit(main())
