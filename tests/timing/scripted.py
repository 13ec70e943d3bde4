"""Workers that follow a script, and a clock that advances only as they say: the loop is tested without waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kdeploy.errors import ResourceError
from kdeploy.system.wire import Message
from kdeploy.timing.analysis import noise
from kdeploy.timing.request import ArmRequest, ComparisonRequest, FloorRequest, Request, Settings

NAMES = [name for names in noise.SIGNALS.values() for name in names]
SETTINGS = {"precision": "fp32", "threads": "1", "provider": "CPUExecutionProvider"}


@dataclass
class ScriptedClock:
    """Advances 40 ns a reading, and as told."""

    now_ns: int = 0

    def __call__(self) -> int:
        self.now_ns += 40
        return self.now_ns


@dataclass
class Script:
    """What the workers do. `latency_ns` is asked for every call: (arm, start number, block) -> ns."""

    clock: ScriptedClock = field(default_factory=ScriptedClock)
    latency_ns: Callable[[str, int, int], int] = lambda arm, start, block: 100_000 if arm == "candidate" else 700_000
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    start_ns: int = 1_000_000_000
    wrong: dict[str, int] = field(default_factory=dict)
    idle_cpu_ns: int | None = 0  # what a stopped arm consumes in every turn of another
    counters: Callable[[str, int], Message] = lambda arm, block: {}  # changes the readings of a block
    tracer: int | None = 0
    steady: bool = True
    repeated: float = 1.0  # how long a call takes with the input of the one before, as a share
    error: float | None = None  # of the outputs, where some were promised
    fails: str = ""
    log: list[tuple[str, str]] = field(default_factory=list)
    open_arms: list[str] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # engines of the canary that are not here
    probes: list[ScriptedProbe] = field(default_factory=list)

    def start_probe(self, name: str, _settings: Settings) -> ScriptedProbe:
        self.open_arms.append(name)
        self.probes.append(ScriptedProbe(name, self))
        return self.probes[-1]

    def start(self, name: str, _settings: Settings) -> ScriptedArm:
        self.starts[name] = self.starts.get(name, -1) + 1
        self.open_arms.append(name)
        return ScriptedArm(name, self, self.starts[name])


@dataclass
class ScriptedArm:
    name: str
    script: Script
    start: int
    blocks: int = 0
    running: bool = True
    cpu: int = 0
    message: Message = field(default_factory=dict)

    def tell(self, message: Message) -> None:
        assert self.running, "a stopped arm was told something"
        self.message = message

    def listen(self) -> Message:
        do = self.message["do"]
        self.script.log.append((self.name, do))
        if do == self.script.fails:
            raise ResourceError(
                "bench worker candidate", "must answer until it is told to end", got="it ended with signal 9"
            )
        return getattr(self, f"_{do}")()

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = True

    def cpu_ns(self) -> int | None:
        if self.script.idle_cpu_ns is None:
            return None
        self.cpu += self.script.idle_cpu_ns
        return self.cpu

    def close(self) -> None:
        self.script.open_arms.remove(self.name)

    def _cold_start(self) -> Message:
        took = self.script.latency_ns(self.name, self.start, 0)
        return {"import_ns": 5_000_000, "load_ns": 2_000_000, "ns": [40 * took] + [took] * 59}

    def _load(self) -> Message:
        self.script.clock.now_ns += self.script.start_ns
        return {
            "cpus": self.message["cpus"],
            "tracer": self.script.tracer,
            "settings": SETTINGS | self.script.settings.get(self.name, {}),
            "version": "1.32.0",
            "import_ns": 1,
            "load_ns": 1,
            "import_baseline_bytes": 50,
            "distinct_inputs": 64,
            "input_shapes": {"x": [1, 4]},
            "passed": None if self.script.error is None else self.script.error <= 0,
            "max_abs_err": self.script.error,
        }

    def _warm_up(self) -> Message:
        median = self.script.latency_ns(self.name, self.start, 0)
        return {
            "calls": 50,
            "duration_ns": 50 * median,
            "steady": self.script.steady,
            "first_ns": [median],
            "median_ns": median,
        }

    def _run(self) -> Message:
        if not self.message["rotate"]:
            took = round(self.script.latency_ns(self.name, self.start, 0) * self.script.repeated)
            return {"ns": [took] * self.message["calls"]}
        took = self.script.latency_ns(self.name, self.start, self.blocks)
        elapsed, began = took * self.message["calls"], self.script.clock.now_ns
        seen = counters_of(elapsed, at_ns=began, **self.script.counters(self.name, self.blocks))
        self.blocks += 1
        self.script.clock.now_ns += elapsed
        wrong = self.script.wrong.get(self.name, 0)
        return {"ns": [took] * self.message["calls"], "resume_ns": [took] * 3, "wrong": wrong, "counters": seen}

    def _window(self) -> Message:
        took, began = self.script.latency_ns(self.name, self.start, self.blocks), self.script.clock.now_ns
        self.blocks += 1
        self.script.clock.now_ns += self.message["ns"]
        calls = self.message["ns"] // took
        return {"at_ns": began, "elapsed_ns": self.message["ns"], "calls": calls, "median_ns": took}

    def _finish(self) -> Message:
        return {"peak_rss_bytes": 80}


def counters_of(elapsed_ns: int, *, at_ns: int = 0, cpus: int = 1, **changes: int | None) -> Message:
    """The counters of a block in which nothing happened but what is said; None is not readable."""
    before = dict.fromkeys(NAMES, 1000)
    after: dict[str, int | None] = {
        name: None if (change := changes.get(name, 0)) is None else 1000 + change for name in NAMES
    }
    return {"at_ns": at_ns, "elapsed_ns": elapsed_ns, "cpus": cpus, "before": before, "after": after}


@dataclass
class ScriptedProbe:
    """A process of the canary: every probe takes `took_ns`, on the script's clock too."""

    name: str
    script: Script
    took_ns: int = 100_000_000
    running: bool = True
    message: Message = field(default_factory=dict)

    def tell(self, message: Message) -> None:
        assert self.running, "a stopped probe was told something"
        self.message = message

    def listen(self) -> Message:
        do = self.message["do"]
        self.script.log.append((self.name, do))
        if do == "pin":
            self.script.clock.now_ns += self.script.start_ns
            return {}
        if do == self.script.fails:
            raise ResourceError(
                "bench worker canary", "must answer until it is told to end", got="it ended with signal 9"
            )
        self.script.clock.now_ns += self.took_ns
        here = self.message["name"] not in self.script.missing
        work = self.message["size"] * (2 if self.message["place"] == "product" else 1)
        return {"work": work, "ns": [self.took_ns] if here else []}

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = True

    def cpu_ns(self) -> int | None:
        return None

    def close(self) -> None:
        self.script.open_arms.remove(self.name)


def request(folder: Path, *, comparisons: int = 1, floor: bool = False, **settings: object) -> Request:
    """A request whose files exist, for models that nobody runs."""
    for name in ("teacher.onnx", "student.onnx", "inputs.npz"):
        (folder / name).write_bytes(name.encode())
    arms = {
        name: ArmRequest(model=name, artefact=folder / f"{name}.onnx", inputs=folder / "inputs.npz")
        for name in ("teacher", "student")
    }
    asked = ComparisonRequest(baseline=arms["teacher"], candidate=arms["student"], runtime="onnxruntime")
    floors = (FloorRequest(runtime="onnxruntime", threads=1, artefact=folder / "x", inputs=folder / "x"),) * floor
    return Request(comparisons=(asked,) * comparisons, floors=floors, settings=Settings(**settings))
