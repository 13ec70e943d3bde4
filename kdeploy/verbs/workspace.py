"""A recipe for a teacher, what this machine can run, and the folder of all work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdeploy.pipeline.store import Store
from kdeploy.records.draft import DraftRecord
from kdeploy.verbs.prepare import RUNS, data_root_of

if TYPE_CHECKING:
    from kdeploy.system.progress import Progress
    from kdeploy.verbs.clean import Unnamed
    from kdeploy.verbs.doctor import Finding


def init(
    teacher: Path,
    data: Path,
    *,
    name: str | None = None,
    out: Path,
    data_root: Path | None = None,
    overwrite: bool = False,
    timed: Progress | None = None,
) -> DraftRecord:
    """Write a recipe for an ONNX teacher and a place with data; what it assumed stands in comments.

    Args:
        teacher: a classifier as `.onnx`.
        data: an `.npz` file, or a folder of parquet, image or sound files.
        name: of the recipe; None takes the teacher's file name.
        out: the file to write, which must not be there yet.
        overwrite: may it be there?
        timed: do the run small, to say how long it takes, and tell this of it; None leaves that out.
        data_root: what data paths are relative to; None is the environment variable KDEPLOY_DATA, else ./data.
    Raises: UsageError when `out` is there, IntegrityError when it is a link; InputError, DataError and
        ModelError when data or teacher cannot be used.
    """
    from kdeploy.verbs.init.draft import draft

    return draft(teacher, data, name=name, out=out, data_root=data_root_of(data_root), overwrite=overwrite, timed=timed)


def doctor() -> list[Finding]:
    """What this machine can run: each runtime, the accelerator, the data of the demo, with what to install."""
    from kdeploy.verbs.doctor import examine

    return examine()


def clean(runs: Path = RUNS, *, remove: bool = False) -> list[Unnamed]:
    """The finished work that no run names any more, each with its path and its size in bytes.

    Args:
        runs: the folder of all work.
        remove: remove it as well. Unfinished work stays, and what another command is about to use.
    """
    from kdeploy.verbs.clean import clean as clean_store

    return clean_store(Store(runs), remove=remove)
