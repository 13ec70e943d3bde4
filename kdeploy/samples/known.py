"""What knows the hashes of files that did not change; `kdeploy.system.known_hashes` is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol


class Known(Protocol):
    """Gives the hash of some files for a purpose: one that it knows, else what `compute` gives."""

    def of(
        self, purpose: str, files: Iterable[Path | str], compute: Callable[[], str], *, below: Path | None = None
    ) -> str: ...
