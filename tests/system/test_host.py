from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.records.circumstances import HostFacts
from kdeploy.system import host

CPUINFO = "".join(
    f"processor\t: {cpu}\nmodel name\t: Test CPU 3000\nphysical id\t: 0\ncore id\t\t: {cpu // 2}\n"
    "flags\t\t: fpu avx2 avx512_bf16 hypervisor\n\n"
    for cpu in range(4)
)

# of the tree below; a change of it makes old records not comparable
GOLDEN_ID = "5e46b75c551dddeca628043e608eb87898415eec6e8eb1936be1b7c4cb5aa289"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    return tree(
        tmp_path,
        {
            "proc/cpuinfo": CPUINFO,
            "proc/meminfo": "MemTotal:       2048 kB\nMemFree:  1 kB\n",
            "proc/sys/kernel/osrelease": "6.1.0\n",
            "proc/sys/kernel/randomize_va_space": "2\n",
            "proc/1/cgroup": "0::/kubepods/pod7\n",
            "etc/os-release": 'NAME=Test\nPRETTY_NAME="Test Linux 12"\n',
            "etc/machine-id": "0123456789abcdef\n",
            "sys/class/dmi/id/sys_vendor": "QEMU\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpufreq/boost": "1\n",
            "sys/devices/system/cpu/cpu0/cache/index0/level": "1\n",
            "sys/devices/system/cpu/cpu0/cache/index0/type": "Data\n",
            "sys/devices/system/cpu/cpu0/cache/index0/size": "32K\n",
            "sys/devices/system/cpu/cpu0/cache/index1/level": "1\n",
            "sys/devices/system/cpu/cpu0/cache/index1/type": "Instruction\n",
            "sys/devices/system/cpu/cpu0/cache/index1/size": "64K\n",
            "sys/devices/system/cpu/cpu0/cache/index2/level": "2\n",
            "sys/devices/system/cpu/cpu0/cache/index2/type": "Unified\n",
            "sys/devices/system/cpu/cpu0/cache/index2/size": "1024K\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        },
    )


def test_the_facts_of_a_linux_machine(linux: Path) -> None:
    facts = host.host_facts(linux)
    assert facts.model_copy(update={"id": "", "libc": None}) == HostFacts(
        id="",
        cpu_model="Test CPU 3000",
        isa=("avx2", "avx512_bf16"),
        sockets=1,
        physical_cores=2,
        logical_cpus=os.cpu_count() or 1,
        smt=True,
        caches_bytes={"l1d": 32 * 1024, "l2": 1024 * 1024},
        memory_bytes=2048 * 1024,
        os="Test Linux 12",
        kernel="6.1.0",
        libc=None,
        virtualization="kvm",
        container=True,
        cgroup_cpu_quota=1.5,
        governor="performance",
        boost=True,
        aslr=2,
        thp="madvise",
    )


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    facts = host.host_facts(tmp_path)
    unread = {name for name, value in vars(facts).items() if value is None}
    assert unread >= {
        *("cpu_model", "sockets", "physical_cores", "smt", "memory_bytes", "os", "kernel", "virtualization"),
        *("cgroup_cpu_quota", "governor", "boost", "aslr", "thp"),
    }
    assert (facts.isa, facts.caches_bytes, facts.container) == ((), {}, False)
    assert host.has_bf16(tmp_path) is None


def test_garbage_is_none(tmp_path: Path) -> None:
    names = ("proc/cpuinfo", "proc/meminfo", "sys/fs/cgroup/cpu.max", "proc/sys/kernel/randomize_va_space")
    root = tree(tmp_path, dict.fromkeys(names, "\x00garbage: \ufffd"))
    facts = host.host_facts(root)
    assert (facts.cpu_model, facts.memory_bytes, facts.cgroup_cpu_quota, facts.aslr) == (None, None, None, None)


def test_a_host_id_is_stable_and_tells_nothing(linux: Path) -> None:
    found = host.host_id(linux)
    assert found == host.host_id(linux) == GOLDEN_ID
    assert len(found) == 64
    assert "0123456789abcdef" not in found
    (linux / "etc/machine-id").write_text("another\n")
    assert host.host_id(linux) != found


@pytest.mark.parametrize(
    ("flags", "found"), [("avx2", False), ("avx512_bf16", True), ("amx_bf16", True), ("avx512_bf16x", False)]
)
def test_bf16_is_a_flag_of_the_cpu(tmp_path: Path, flags: str, found: bool) -> None:
    tree(tmp_path, {"proc/cpuinfo": f"processor: 0\nflags: fpu {flags}\n"})
    assert host.has_bf16(tmp_path) is found


def test_the_features_of_an_arm_cpu_are_read(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/cpuinfo": "processor: 0\nFeatures: fp asimd bf16\nCPU part: 0xd40\n"})
    assert host.isa(tmp_path) == ("asimd", "bf16")
    assert (host.has_bf16(tmp_path), host.cpu_model(tmp_path)) == (True, "0xd40")


@pytest.mark.parametrize(
    ("flags", "vendor", "found"),
    [("fpu", "Dell", "none"), ("fpu hypervisor", "Acme", "unknown"), ("hypervisor", "VMware, Inc.", "vmware")],
)
def test_virtualization_by_the_hypervisor_flag_and_the_maker(
    tmp_path: Path, flags: str, vendor: str, found: str
) -> None:
    files = {"proc/cpuinfo": f"processor: 0\nflags: {flags}\n", "sys/class/dmi/id/sys_vendor": vendor}
    assert host.virtualization(tree(tmp_path, files)) == found


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_known_by_its_mark(tmp_path: Path, mark: str) -> None:
    assert host.container(tmp_path) is False
    assert host.container(tree(tmp_path, {mark: ""})) is True


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"sys/fs/cgroup/cpu.max": "50000 0\n"}, None),
    ],
)
def test_the_cpu_quota_of_both_versions(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert host.cgroup_cpu_quota(tree(tmp_path, files)) == quota


@pytest.mark.parametrize(("text", "boost"), [("0", True), ("1", False)])
def test_boost_of_an_intel_cpu_is_the_opposite_of_no_turbo(tmp_path: Path, text: str, boost: bool) -> None:
    tree(tmp_path, {"sys/devices/system/cpu/intel_pstate/no_turbo": text})
    assert host.boost(tmp_path) is boost


def test_versions_are_those_of_installed_distributions_only() -> None:
    found = host.library_versions(["numpy", "no-such-distribution"])
    assert found.keys() == {"numpy"}
    assert found["numpy"][0].isdigit()


def test_the_allowed_cpus_are_those_of_this_process() -> None:
    assert host.allowed_cpus() == tuple(sorted(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({}, None),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "AC/type": "Mains", "AC/online": "0"}, "battery"),
        ({"BAT0/type": "Battery", "BAT0/status": "Charging", "AC/type": "Mains", "AC/online": "1"}, "ac"),
        ({"AC/type": "Mains", "AC/online": "1"}, "ac"),
        ({"AC/type": "Mains", "AC/online": "0"}, None),
        ({"BAT0/type": "Battery", "BAT0/status": "what?"}, None),
        ({"BAT0/status": "Discharging"}, None),
        ({"mouse/type": "Battery", "mouse/status": "Discharging", "mouse/scope": "Device"}, None),
    ],
)
def test_the_power_source(tmp_path: Path, files: dict[str, str], source: str | None) -> None:
    supplies = {f"sys/class/power_supply/{name}": f"{text}\n" for name, text in files.items()}
    assert host.power_source(tree(tmp_path, supplies)) == source
