"""A command where a small disk of its own is mounted, which nobody else sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.program import Outcome, outcome


def on_own_disk(options: str, mount: Path, command: Sequence[str | Path], folder: Path, **changes: str) -> Outcome:
    """Run a command to its end, with a tmpfs of these options mounted.

    Args:
        mount: where, a folder.
        folder: the one to run in.
        changes: of the environment.
    """
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    return outcome(["unshare", "-rm", "sh", "-c", script, mount, *command], folder, **changes)
