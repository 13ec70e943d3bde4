from __future__ import annotations

from pathlib import Path

from kdeploy.timing.machine import energy


def tree(root: Path, **packages: tuple[int, int]) -> Path:
    """A /sys/class/powercap with the counter and the range of each domain; `p0_1` is intel-rapl:0:1."""
    for name, (counter, size) in packages.items():
        folder = root / "sys/class/powercap" / f"intel-rapl:{name[1:].replace('_', ':')}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{counter}\n")
        (folder / "max_energy_range_uj").write_text(f"{size}\n")
    return root


def test_packages_are_read_and_not_the_domains_inside_of_them(tmp_path: Path) -> None:
    root = tree(tmp_path, p0=(100, 1000), p1=(7, 1000), p0_0=(99, 1000))
    assert energy.unreadable(root) is None
    assert energy.read(root) == [100, 7]


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    root = tree(tmp_path, p0=(0, 1000), p1=(0, 500))
    assert energy.spent([100, 450], [300, 50], root) == 200 + 100


def test_a_system_without_counters_says_so(tmp_path: Path) -> None:
    assert energy.unreadable(tmp_path) == "the system shows no intel-rapl package under /sys/class/powercap"


def test_a_counter_of_root_alone_says_so(tmp_path: Path) -> None:
    (tmp_path / "sys/class/powercap/intel-rapl:0").mkdir(parents=True)
    assert energy.unreadable(tmp_path) == "energy_uj of intel-rapl cannot be read by this user"
