"""`runs/<name>.json`: the recipe of a run, and the fingerprints of its stages that are done."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kdeploy.errors import InputError, IntegrityError
from kdeploy.pipeline.advance import advance
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import fingerprints, stages_of
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.store import Store
from kdeploy.recipe import shipped
from kdeploy.records.run import RunRecord
from kdeploy.system import distributed
from kdeploy.system.files import commit_bytes, sweep_temporary
from kdeploy.verbs.newest import link_newest


def has_run(name: str, store: Store) -> bool:
    """Whether there is a run of this name, or with this file as its index."""
    return index_file(name, store).is_file()


def find_run(name: str, store: Store) -> RunRecord:
    """The index of a run, by name or by file.

    Raises: InputError when there is none.
    """
    path = index_file(name, store)
    if not path.is_file():
        must, got = (
            "must be a recipe file, or the name of a run or of a recipe that ships",
            f"no such file, and no {path}",
        )
        advice = f"{shipped.advice(name)} Runs here: {store.run_names()}."
        raise InputError(name, must, got=got, advice=advice)
    return read_index(path)


def read_index(path: Path) -> RunRecord:
    """A run's index. Raises: IntegrityError when it is not as it was written."""
    return RunRecord.read(path, advice="Remove it, and run the recipe again: finished work is kept.")


def index_file(name: str, store: Store) -> Path:
    """The index of a run that is named, or the file that is named itself; it may not be there."""
    return Path(name) if name.endswith(".json") else store.index(name)


def advance_run(job: Job, index: RunRecord, *, upto: str = "report", force: Collection[str] = ()) -> None:
    """Do the stages of a prepared job up to one, and keep `runs/<name>.json` up with them.

    Raises: InputError for a stage to force that the job has not; what the stages raise.
    """
    known = [str(key) for key in stages_of(job)]
    unknown = sorted(set(force) - set(known))
    if unknown:
        raise InputError("--force", f"must be one of {', '.join(known)}", got=unknown[0])
    job.prints = fingerprints(job)
    with ExitStack() as stack:
        if distributed.is_first():
            sweep_temporary(job.store.root)
            stack.enter_context(job.store.using((key.stage, one) for key, one in job.prints.items()))
            _write_index(job, index)
        advance(job, upto, force=force, done=lambda done: _keep_up(done, index))


def _keep_up(job: Job, index: RunRecord) -> None:
    """Let the index of a run, and the links to what it has made, say what is done."""
    _write_index(job, index)
    link_newest(job)


def _write_index(job: Job, index: RunRecord) -> None:
    """Write `runs/<name>.json` with the stages that are done, and all that it will come to: nobody may remove them."""
    seals = {key: _seal(job, stage) for key, stage in stages_of(job).items() if job.has(stage)}
    done = {str(key): seal for key, seal in seals.items() if seal}
    prints = {str(key): fingerprint for key, fingerprint in job.prints.items()}
    stages = {
        "stages": {name: fingerprint for name, fingerprint in prints.items() if name in done},
        "seals": done,
        "planned": {name: fingerprint for name, fingerprint in prints.items() if name not in done},
    }
    commit_bytes(job.store.index(index.name), index.model_copy(update=stages).sealed())


def _seal(job: Job, stage: Stage[Any]) -> str | None:
    """The seal of a stage that is done; of one that was altered, and may be about to be forced, the one it had."""
    try:
        return job.finished(stage).seal
    except IntegrityError:
        return job.seals.get((stage.key, job.prints[stage.key]))
