"""The job of what a user names, a recipe file or a RUN, read and checked; no work is done yet."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdeploy.errors import InputError, MissingError
from kdeploy.formatting.untrusted import is_unicode
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.store import Store
from kdeploy.recipe import shipped
from kdeploy.recipe.check import check, data_path, teacher_file
from kdeploy.recipe.load import LoadedRecipe, load, parse
from kdeploy.recipe.yaml12 import dotted
from kdeploy.records.run import RunRecord, StageKey
from kdeploy.records.teacher import TeacherSource
from kdeploy.runtimes import installed
from kdeploy.samples import sources
from kdeploy.samples.class_order import names_of
from kdeploy.system.folders import must_be_folder
from kdeploy.system.known_hashes import KnownHashes
from kdeploy.system.progress import Progress
from kdeploy.system.room import must_hold_torch
from kdeploy.system.threads import training_threads
from kdeploy.verbs.earlier_run import student_of
from kdeploy.verbs.runs import find_run, has_run, read_index

RUNS = Path("runs")


@dataclass(frozen=True)
class Options:
    """The options that every verb takes.

    Args:
        runs: the folder of all work.
        data_root: what data paths are relative to; None is the environment variable KDEPLOY_DATA, else ./data.
        overrides: `key=value` settings on top of the recipe's.
        trust: may the recipe's `torch:` run code?
        command: recorded with timings.
        variant: of a recipe file, one of its `variants`.
        require_exact: refuse checkpoints from which a training would not end with the same bits?
        waits: for another process that works on the same stage, or is that an error?
        rehash: read the data again for their hashes, also files whose size and times say that they did not change?
    """

    runs: Path = RUNS
    data_root: Path | None = None
    overrides: tuple[str, ...] = ()
    trust: bool = False
    command: tuple[str, ...] = ()
    progress: Progress = field(default_factory=Progress)
    variant: str | None = None
    require_exact: bool = False
    waits: bool = False
    rehash: bool = False

    def __post_init__(self) -> None:
        if not is_unicode(str(self.runs)):
            must = "must be a folder with a name in UTF-8, as runtimes open files only there"
            raise InputError("--runs", must, got=str(self.runs))


def prepare(subject: str | Path, options: Options, *, planned: bool = False) -> tuple[Job, RunRecord]:
    """Read and check a subject; no work is done yet. When it is only planned, it may lack packages."""
    store = Store(options.runs)
    loaded, data_root, threads = _open(subject, store, options)
    must_hold_torch(threads)
    advice = {name: _missing(name) for name in installed.names()}
    lacking = check(
        loaded, data_root=data_root, trust=options.trust, runtimes=advice, missing=advice.get, planned=planned
    )
    source = _source(loaded, data_root)
    known = KnownHashes(options.runs / ".known", options.rehash, keeps=not planned)
    job = Job(
        recipe=loaded.recipe,
        store=store,
        source=source,
        content=sources.content_hash(source, known),
        teacher_sources=tuple(_teacher_sources(loaded, data_root, store, options.trust)),
        missing=lacking,
        command=options.command,
        require_exact=options.require_exact,
        threads=threads,
        waits=options.waits,
        progress=options.progress,
        known=known,
        seals=_seals(store.index(loaded.recipe.name)),
    )
    index = RunRecord(
        name=loaded.recipe.name,
        recipe=loaded.recipe.model_dump(mode="json", exclude_unset=True),
        recipe_path=loaded.path,
        base=str(loaded.base),
        data_root=str(data_root),
        threads=threads,
        stages={},
        seals={},
        planned={},
    )
    return job, index


def _seals(path: Path) -> dict[tuple[StageKey, str], str]:
    """The seals that the run of this name has seen; none where another version wrote its index."""
    try:
        return read_index(path).seen if path.is_file() else {}
    except InputError:
        return {}


def _open(subject: str | Path, store: Store, options: Options) -> tuple[LoadedRecipe, Path, int]:
    """The recipe, the folder that its data are relative to, and the threads of its trainings."""
    path = _recipe_file(subject, store)
    if path is not None:
        return load(path, options.overrides, options.variant), data_root_of(options.data_root), training_threads()
    index = find_run(str(subject), store)
    # a run's settings are a recipe again; JSON is YAML
    text = json.dumps(index.recipe).encode()
    loaded = parse(text, index.recipe_path, options.overrides, base=Path(index.base))
    return loaded, options.data_root or Path(index.data_root), index.threads


def _recipe_file(subject: str | Path, store: Store) -> Path | None:
    """The file of a recipe, or of one that ships; None for a run, which a name means as soon as there is one."""
    path = Path(subject)
    if path.suffix in {".yaml", ".yml"}:
        return path
    return None if has_run(str(subject), store) else shipped.find(str(subject))


def data_root_of(folder: Path | None) -> Path:
    """The folder that data paths are relative to: the one named, else that of KDEPLOY_DATA, else ./data.

    Raises: InputError when something else than a folder is named.
    """
    if folder is not None:
        must_be_folder(folder, "--data-root")
    return folder or Path(os.environ.get("KDEPLOY_DATA") or "data")


def _missing(name: str) -> str | None:
    try:
        installed.find(name)
    except MissingError as exc:
        return exc.advice
    return None


def _teacher_sources(loaded: LoadedRecipe, data_root: Path, store: Store, trust: bool) -> Iterator[TeacherSource]:
    """The sources of the teachers; those that `count` stands for have no file."""
    for number, teacher in enumerate(loaded.recipe.teacher):
        if teacher.run is not None:
            place = ("teacher", number, "run")
            outputs = loaded.recipe.outputs
            yield student_of(store, teacher.run, loaded.where(place), dotted(place), outputs, trust=trust)
        else:
            name = teacher.onnx or teacher.weights
            file = None if name is None else teacher_file(loaded, data_root, name)
            yield from teacher.count * [TeacherSource(file, class_names=_class_names(loaded, number))]


def _class_names(loaded: LoadedRecipe, number: int) -> tuple[str, ...] | None:
    """The names of a teacher's logits, where the recipe says them."""
    classes = loaded.recipe.teacher[number].classes
    return None if classes is None else names_of(classes, loaded.base, dotted(("teacher", number, "classes")))


def _source(loaded: LoadedRecipe, data_root: Path) -> dict[str, Any]:
    """The settings of every source, with resolved paths: those of parts with an own one under their names."""
    source: dict[str, Any] = {}
    outputs = {} if loaded.recipe.outputs == "classes" else {"outputs": loaded.recipe.outputs}
    for part, origin in loaded.recipe.data.origins().items():
        settings = {origin.key: str(data_path(origin, data_root) or origin.name)} | origin.decoding() | outputs
        source |= {part: settings} if part else settings
    return source
