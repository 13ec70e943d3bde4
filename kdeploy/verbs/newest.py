"""`runs/<name>/`: links to what the newest run of a recipe has made, for people who look for it.

    runs/<name>/report -> ../report/<fingerprint>      likewise bench and bundle; what is not done has no link

kdeploy never reads through them. A name that is a stage's has no such folder, nor has a disk that knows no links.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import STAGES
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.store import Store
from kdeploy.system.files import TEMPORARY

LINKED = (REPORT, BUNDLE, BENCH)


def link_newest(job: Job) -> None:
    """Let the links of a run lead to what it has made; without effect where there can be none."""
    folder = job.store.root / job.recipe.name
    if job.recipe.name in {stage.name for stage in STAGES} or folder.is_symlink():
        return
    with suppress(OSError, NotImplementedError):
        for stage in LINKED:
            link = folder / stage.name
            if job.has(stage):
                _lead(link, Path("..", stage.name, job.prints[stage.key]))
            elif link.is_symlink():
                link.unlink()


def _lead(link: Path, target: Path) -> None:
    """Make a link, or lead it elsewhere, by one rename; what is no link stays."""
    if link.is_symlink() and link.readlink() == target:
        return
    if link.exists() and not link.is_symlink():
        return
    link.parent.mkdir(exist_ok=True)
    temporary = link.with_name(f"{TEMPORARY}{os.getpid()}-{link.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def leftover_links(store: Store) -> Iterator[Path]:
    """The links that lead nowhere, and those of runs that are gone."""
    # a pattern that ends in a name does not find a link that leads nowhere
    for link in (folder / stage.name for folder in sorted(store.root.glob("[!.]*/")) for stage in LINKED):
        if link.is_symlink() and not (link.exists() and store.index(link.parent.name).is_file()):
            yield link


def remove_links(store: Store) -> None:
    """Remove the links that are left over, and the folders that they leave empty."""
    for link in leftover_links(store):
        link.unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            link.parent.rmdir()
