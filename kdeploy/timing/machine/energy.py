"""Energy of the processor package from RAPL, where the system shows it: microjoules, and others that run are in them.

    /sys/class/powercap/intel-rapl:N/energy_uj     counts up, and wraps at max_energy_range_uj

Linux Documentation/power/powercap. Since CVE-2020-8694 the counter is root's alone; a virtual machine has none. What is
not read is not estimated: no thermal design power stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ROOT = Path("/")


def unreadable(root: Path = ROOT) -> str | None:
    """The reason for which no energy can be read; None where it can."""
    if not packages(root):
        return "the system shows no intel-rapl package under /sys/class/powercap"
    try:
        read(root)
    except (OSError, ValueError):
        return "energy_uj of intel-rapl cannot be read by this user"
    return None


def packages(root: Path = ROOT) -> list[Path]:
    """The folders of the packages; `intel-rapl:0:1` is a part of `intel-rapl:0`."""
    domains = (root / "sys/class/powercap").glob("intel-rapl:*")
    return sorted(path for path in domains if path.name.count(":") == 1)


def read(root: Path = ROOT) -> list[int]:
    """Microjoules of every package. Raises: OSError, ValueError."""
    return [int((path / "energy_uj").read_text()) for path in packages(root)]


def spent(before: Sequence[int], after: Sequence[int], root: Path = ROOT) -> int:
    """Microjoules between two readings less than one round of the counters apart."""
    ranges = [int((path / "max_energy_range_uj").read_text()) for path in packages(root)]
    rises = (end - begin for begin, end in zip(before, after, strict=True))
    return sum(rise if rise >= 0 else rise + size for rise, size in zip(rises, ranges, strict=True))
