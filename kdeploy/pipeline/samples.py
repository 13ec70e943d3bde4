"""samples: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.job import Job
from kdeploy.records.base import Record


def settings(job: Job, *, chosen: bool = True) -> dict[str, Any]:
    """What the sample set depends on; without `chosen`, what all but its transfer set depends on."""
    # not the path: the content is what counts, wherever it lies
    division = job.division()
    transfer = division.pop("transfer")
    # left out while nothing is chosen, so that older results stay valid
    return {"kind": sorted(job.source)} | division | ({"transfer": transfer} if transfer and chosen else {})


def run(job: Job, folder: Path) -> Record:
    from kdeploy.stages import samples

    return samples.run(folder, source=job.source, **job.division())
