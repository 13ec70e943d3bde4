"""Messages between the orchestrator and its workers, each one JSON document on a pipe (kdeploy.system.wire).

    to an arm    load -> Loaded;  warm_up -> WarmUpAnswer;  run -> RunAnswer;  window -> WindowAnswer;
                 finish -> FinishAnswer, end;  cold_start -> ColdStartAnswer, end
    to a canary  pin -> PinAnswer;  probe -> ProbeAnswer

`do` says which command it is. Times are ns, sizes bytes; what is None could not be read. Imports nothing but the
standard library: a worker pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

Place = Literal["product", "cache", "memory"]  # what a probe measures: the CPU, its caches, the memory
Reading = dict[str, int | None]  # every counter at one moment (kdeploy.timing.machine.counters)


class ModelSpec(TypedDict):
    """A model, and how it is to be run; without `expected` outputs it is held to those it gives when it is loaded."""

    parent: int  # the process without which the worker ends
    cpus: Sequence[int]
    runtime: str
    threads: int
    batch: int
    artefact: str
    sha256: str | None
    inputs: str
    expected: str | None
    tolerance: float | None


class LoadCommand(ModelSpec):
    """Load the model, to be timed by the commands that follow."""

    do: Literal["load"]


class ColdStartCommand(ModelSpec):
    """Load the model, call it from the first call on, and end."""

    do: Literal["cold_start"]


class WarmUpCommand(TypedDict):
    """Call until the model is steady (kdeploy.timing.run.warmup)."""

    do: Literal["warm_up"]
    least_calls: int
    least_ns: int
    most_ns: int


class RunCommand(TypedDict):
    """Time a block of calls, over rotating inputs or over one alone."""

    do: Literal["run"]
    calls: int
    resume_calls: int  # before them, kept apart: the process stood still
    rotate: bool


class WindowCommand(TypedDict):
    """Call without a pause for a time."""

    do: Literal["window"]
    ns: int


class FinishCommand(TypedDict):
    """Say what memory it took, and end."""

    do: Literal["finish"]


class PinCommand(TypedDict):
    """Pin a process of the canary, before it imports anything."""

    do: Literal["pin"]
    parent: int
    cpus: Sequence[int]
    threads: int


class ProbeCommand(TypedDict):
    """Run a task of the canary; `size` is n of a product, or the bytes of a kernel."""

    do: Literal["probe"]
    place: Place
    name: str
    size: int


ArmCommand = WarmUpCommand | RunCommand | WindowCommand | FinishCommand
Command = LoadCommand | ColdStartCommand | ArmCommand | PinCommand | ProbeCommand


class Opened(TypedDict):
    """A model that was opened: the times of its import and load, and the CPUs in effect."""

    cpus: Sequence[int]
    version: str
    import_ns: int
    load_ns: int
    import_baseline_bytes: int | None  # resident before the model was loaded


class Loaded(Opened):
    """A model that is loaded, with the settings in effect, and whether its outputs are those promised."""

    tracer: int | None  # the process that traces the worker; 0 is nobody
    settings: Mapping[str, str]
    distinct_inputs: int
    input_shapes: Mapping[str, Sequence[int]]
    passed: bool | None  # None: no outputs were promised
    max_abs_err: float | None  # None: not finite, or nothing to compare with


class WarmUpAnswer(TypedDict):
    """`first_ns` are the first calls, `median_ns` is the median call of the last window."""

    calls: int
    duration_ns: int
    steady: bool
    first_ns: Sequence[int]
    median_ns: int


class Counters(TypedDict, total=False):
    """The system's counters of one block, `before` and `after` its timed calls; `cpus` is the number of CPUs."""

    at_ns: int
    elapsed_ns: int
    cpus: int
    before: Reading
    after: Reading


class RunAnswer(TypedDict):
    """The calls of a block; `wrong` is how many of the sampled outputs differ."""

    ns: Sequence[int]
    resume_ns: Sequence[int]
    wrong: int
    counters: Counters


class WindowAnswer(TypedDict):
    """The calls of a stretch of time that began at `at_ns`."""

    at_ns: int
    elapsed_ns: int
    calls: int
    median_ns: int


class EnergyBlock(WindowAnswer):
    """A window with what the processor used meanwhile, microjoules, and its idle power around it, microwatts."""

    energy_uj: int
    idle_uw: int


class ColdStartAnswer(TypedDict):
    """The imports, the load and every call of a fresh process."""

    import_ns: int
    load_ns: int
    ns: Sequence[int]


class FinishAnswer(TypedDict):
    """The answer of an arm to `finish`: the most memory that was resident in it."""

    peak_rss_bytes: int | None


class PinAnswer(TypedDict):
    """The answer to `pin`: empty, it only says that it was done."""


class ProbeAnswer(TypedDict):
    """The times of a few runs of a task, none where the engine is not here; `work` is FLOPs or bytes of one."""

    work: int
    ns: Sequence[int]
