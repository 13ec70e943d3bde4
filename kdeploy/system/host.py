"""The facts of the machine that a number was measured on, read from `/proc`, `/sys` and `/etc`.

Every reader takes the root those trees hang from, so that a test brings its own. What cannot be read is None; nothing
is guessed. The host name and the machine id never leave in clear: `host_id` is a salted hash.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from kdeploy.records.circumstances import HostFacts

ROOT = Path("/")

_TELLING_FLAGS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)
_HYPERVISORS = (("kvm", "kvm"), ("qemu", "kvm"), ("vmware", "vmware"), ("microsoft", "hyperv"), ("xen", "xen"))
_HOST_SALT = b"kdeploy host 1"


def host_facts(root: Path = ROOT) -> HostFacts:
    """All facts of this machine."""
    sockets, cores = _topology(root)
    threads = len(cpu_blocks(root))
    return HostFacts(
        id=host_id(root),
        cpu_model=cpu_model(root),
        isa=isa(root),
        sockets=sockets,
        physical_cores=cores,
        logical_cpus=logical_cpus(),
        smt=threads > cores if cores else None,
        caches_bytes=caches_bytes(root),
        memory_bytes=memory_bytes(root),
        os=os_name(root),
        kernel=kernel(root),
        libc=" ".join(platform.libc_ver()).strip() or None,
        virtualization=virtualization(root),
        container=container(root),
        cgroup_cpu_quota=cgroup_cpu_quota(root),
        governor=governor(root),
        boost=boost(root),
        aslr=_number(root / "proc/sys/kernel/randomize_va_space"),
        thp=transparent_huge_pages(root),
    )


def host_id(root: Path = ROOT) -> str:
    """A hash that stays the same on one machine and tells nothing about it."""
    facts = (_text(root / "etc/machine-id"), cpu_model(root), " ".join(isa(root)), str(len(cpu_blocks(root))))
    digest = hashlib.sha256(_HOST_SALT)
    for fact in facts:
        digest.update(b"\0" + (fact or "").encode())
    return digest.hexdigest()


def cpu_blocks(root: Path = ROOT) -> tuple[dict[str, str], ...]:
    """The blocks of `/proc/cpuinfo`, one a logical CPU; empty when it cannot be read."""
    blocks = (_text(root / "proc/cpuinfo") or "").split("\n\n")
    return tuple(fields for fields in map(_fields, blocks) if "processor" in fields)


def cpu_model(root: Path = ROOT) -> str | None:
    first = next(iter(cpu_blocks(root)), {})
    return first.get("model name") or first.get("cpu model") or first.get("CPU part")


def cpu_flags(root: Path = ROOT) -> frozenset[str] | None:
    """Every flag of the first CPU (`flags` on x86, `Features` on Arm)."""
    first = next(iter(cpu_blocks(root)), {})
    flags = first.get("flags") or first.get("Features")
    return None if flags is None else frozenset(flags.split())


def isa(root: Path = ROOT) -> tuple[str, ...]:
    """The vector and matrix extensions that change how fast a model runs, in a fixed order."""
    flags = cpu_flags(root) or frozenset()
    return tuple(flag for flag in _TELLING_FLAGS if flag in flags)


def has_bf16(root: Path = ROOT) -> bool | None:
    """Whether the CPU multiplies bfloat16 itself, where OpenVINO would use it by default; None when unreadable."""
    flags = cpu_flags(root)
    return None if flags is None else bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def logical_cpus() -> int:
    return os.cpu_count() or 1


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs this process may run on, in order; all of them where the system has no affinity."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(logical_cpus()))


def threads_per_core(root: Path = ROOT) -> int:
    """How many logical CPUs share a core; 1 where the CPUs do not say."""
    _, cores = _topology(root)
    return max(1, len(cpu_blocks(root)) // cores) if cores else 1


def caches_bytes(root: Path = ROOT) -> dict[str, int]:
    """The sizes of the caches `l1d`, `l2` and `l3` of the first CPU, in bytes, those that can be read."""
    sizes: dict[str, int] = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_text(index / name) or "" for name in ("level", "type", "size"))
        name = f"l{level}d" if kind == "Data" else f"l{level}"
        if kind in ("Data", "Unified") and size.removesuffix("K").isdigit():
            sizes[name] = int(size.removesuffix("K")) * 1024
    return sizes


def memory_bytes(root: Path = ROOT) -> int | None:
    total = _fields(_text(root / "proc/meminfo") or "").get("MemTotal", "").removesuffix(" kB")
    return int(total) * 1024 if total.isdigit() else None


def os_name(root: Path = ROOT) -> str | None:
    lines = (_text(root / "etc/os-release") or "").splitlines()
    names = (line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME="))
    return next(names, None)


def kernel(root: Path = ROOT) -> str | None:
    return _text(root / "proc/sys/kernel/osrelease")


def virtualization(root: Path = ROOT) -> str | None:
    """The hypervisor: `kvm`, `vmware`, `hyperv`, `xen`, `unknown` (one that does not say which), or `none`."""
    flags = cpu_flags(root)
    maker = " ".join(_text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name")).lower()
    hypervisor = next((name for sign, name in _HYPERVISORS if sign in maker), None)
    if flags is None or hypervisor is not None:
        return hypervisor
    return "unknown" if "hypervisor" in flags else "none"


def container(root: Path = ROOT) -> bool:
    """Whether this process runs in a container, as far as its marks show."""
    marks = any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv"))
    groups = _text(root / "proc/1/cgroup") or ""
    return marks or any(engine in groups for engine in ("docker", "kubepods", "lxc"))


def cgroup_cpu_quota(root: Path = ROOT) -> float | None:
    """The number of CPUs that the control group may use (version 2, then 1); None when unlimited or unreadable."""
    quota, _, period = (_text(root / "sys/fs/cgroup/cpu.max") or "").partition(" ")
    if not quota:
        quota, period = (_text(root / f"sys/fs/cgroup/cpu/cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit() and int(period):
        return int(quota) / int(period)
    return None


def governor(root: Path = ROOT) -> str | None:
    return _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def boost(root: Path = ROOT) -> bool | None:
    """Whether the CPU may clock above its nominal frequency."""
    allowed = _number(root / "sys/devices/system/cpu/cpufreq/boost")
    forbidden = _number(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    if allowed is None and forbidden is None:
        return None
    return bool(allowed) if allowed is not None else not forbidden


def transparent_huge_pages(root: Path = ROOT) -> str | None:
    """The mode of transparent huge pages, that in brackets of `always [madvise] never`."""
    modes = _text(root / "sys/kernel/mm/transparent_hugepage/enabled") or ""
    return modes.partition("[")[2].partition("]")[0] or None


def power_source(root: Path = ROOT) -> str | None:
    """The power source: `battery` when one is being emptied, `ac` when a supply is online; None for neither."""
    supplies = sorted((root / "sys/class/power_supply").glob("*"))
    states = [tuple(_text(supply / name) for name in ("type", "status", "online", "scope")) for supply in supplies]
    # a battery of scope Device is that of a mouse
    if any(kind == "Battery" and status == "Discharging" and scope != "Device" for kind, status, _, scope in states):
        return "battery"
    return "ac" if any(kind != "Battery" and online == "1" for kind, _, online, _ in states) else None


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of the installed ones among these distributions; imports none of them."""
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _topology(root: Path) -> tuple[int | None, int | None]:
    """The numbers of sockets and of physical cores; None where the CPUs do not say."""
    places = [(block.get("physical id"), block.get("core id")) for block in cpu_blocks(root)]
    if not places or any(None in place for place in places):
        return None, None
    return len({socket for socket, _ in places}), len(set(places))


def _fields(text: str) -> dict[str, str]:
    """The values of `name : value` lines, by name."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\n")
    except OSError:
        return None


def timing_settings() -> dict[str, Any]:
    """What a time depends on: the machine, and the versions of what runs models."""
    return {"host": host_id(), "versions": library_versions(("onnxruntime", "openvino", "numpy"))}
