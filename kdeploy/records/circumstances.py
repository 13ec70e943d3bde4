"""What a benchmark was measured on and with: the machine, the software, the clock."""

from __future__ import annotations

from kdeploy.records.base import Part


class Tool(Part):
    name: str
    version: str


class HostFacts(Part):
    """A machine. `id` is a salted hash, the quota is in CPUs; None is what cannot be read, and no quota."""

    id: str
    cpu_model: str | None
    isa: tuple[str, ...]
    sockets: int | None
    physical_cores: int | None
    logical_cpus: int
    smt: bool | None
    caches_bytes: dict[str, int]
    memory_bytes: int | None
    os: str | None
    kernel: str | None
    libc: str | None
    virtualization: str | None
    container: bool
    cgroup_cpu_quota: float | None
    governor: str | None
    boost: bool | None
    aslr: int | None
    thp: str | None


class Host(HostFacts):
    """The machine of a benchmark: `bench_cpus` ran the arms, `housekeeping_cpus` the orchestrator."""

    bench_cpus: tuple[int, ...]
    housekeeping_cpus: tuple[int, ...]
    power_source: str | None = None


class Package(Part):
    name: str
    version: str


class Software(Part):
    python: str
    runtimes: dict[str, str]
    packages: tuple[Package, ...]
    env: dict[str, str]


class PairCost(Part):
    """Two readings of the clock, one after the other."""

    median: int
    p99: int


class Timer(Part):
    clock: str
    resolution_ns: int
    pair_cost_ns: PairCost
