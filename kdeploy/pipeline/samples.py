"""samples: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.job import Job
from kdeploy.recipe.data import Origin
from kdeploy.records.base import Record


def settings(job: Job, *, chosen: bool = True) -> dict[str, Any]:
    """What the sample set depends on; without `chosen`, what all but its transfer set depends on."""
    data = job.recipe.data
    # what came later is left out while it is not used, so that older results stay valid
    later = {
        "transfer": data.transfer.chosen() if chosen else {},
        "own": {part: _origin(origin) for part, origin in data.origins().items() if part},
        "duplicates": "" if data.duplicates == "report" else data.duplicates,
    }
    division = {"split": job.split(), "seed": data.seed}
    return _origin(data) | division | {key: value for key, value in later.items() if value}


def _origin(origin: Origin) -> dict[str, Any]:
    # not the path: the content is what counts, wherever it lies
    return {"kind": [origin.key]} | origin.decoding()


def run(job: Job, folder: Path) -> Record:
    from kdeploy.stages import samples

    return samples.run(folder, source=job.source, **job.division())
