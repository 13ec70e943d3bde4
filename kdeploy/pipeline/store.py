"""Where work is kept: stage folders that appear by one rename, a lock for work in progress, run indexes.

    runs/<stage>/<fingerprint>/record.json ...   finished work, shared by all recipes
    runs/.work/<stage>/<fingerprint>/            unfinished work that a later run goes on with; never swept
    runs/<name>.json                             the fingerprints of a recipe's last run

Those of several teachers are kept among all teachers: which one a fingerprint is of, only a run's index says.

A record is sealed and lists the digest of every file beside it, so that nothing goes on from what was altered.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from kdeploy.records.base import Record
from kdeploy.records.provenance import Finished, Provenance, Source, read_finished
from kdeploy.records.seal import again, sealed, with_field
from kdeploy.system.files import commit_bytes, disk_errors
from kdeploy.system.folders import must_be_folder
from kdeploy.system.stage_folder import StageFolders, clear, digests
from kdeploy.system.unaltered import check_unaltered

RECORD = "record.json"

R = TypeVar("R", bound=Record)


class Store(StageFolders):
    """The folder `runs/`. Raises: InputError where something else than a folder is."""

    def __init__(self, root: Path) -> None:
        must_be_folder(root, "--runs")
        super().__init__(root)

    def index(self, name: str) -> Path:
        """The file of a run, which says what its stages are."""
        return self.root / f"{name}.json"

    def run_names(self) -> str:
        """Every run, for a message."""
        return ", ".join(sorted(path.stem for path in self.root.glob("*.json"))) or "none"

    def has(self, stage: str, key: str) -> bool:
        return (self.folder(stage, key) / RECORD).is_file()

    def read(self, stage: str, key: str, kind: type[R], seen: str | None = None) -> R:
        """The record of finished work. Raises: InputError when it is not a record of that kind; as `finished`."""
        return kind.from_document(self.finished(stage, key, seen).body, where=str(self.folder(stage, key) / RECORD))

    def finished(self, stage: str, key: str, seen: str | None = None) -> Finished:
        """What a record says of its files and of what they were made from; see `kdeploy.records.provenance`."""
        return read_finished(self.folder(stage, key) / RECORD, stage=stage, seen=seen)

    def files(self, stage: str, key: str, seen: str | None = None) -> Path:
        """The folder of finished work, every file of which is as it was written.

        Raises: IntegrityError for one that is not, but for files that are compared by who reads them; as `finished`.
        """
        folder = self.folder(stage, key)
        for path, file in self.finished(stage, key, seen).provenance.files.items():
            check_unaltered(folder / path, file.sha256, again(stage))
        return folder

    def commit(
        self,
        stage: str,
        key: str,
        record: Record,
        *,
        rests_on: Mapping[str, Source] | None = None,
        replaces: tuple[str, ...] | None = None,
    ) -> Path:
        """Write the record into the work folder and make that the stage folder, by one rename.

        When another process finished the same work first, its result stays, unless it is to be replaced.

        Args:
            rests_on: what it was made from.
            replaces: the seals of what is replaced; None to replace nothing.
        """
        work, target = self.unfinished(stage, key), self.folder(stage, key)
        with disk_errors(target, self.root):
            if self.has(stage, key) and replaces is None:
                shutil.rmtree(work, ignore_errors=True)
                return target
            clear(work, RECORD)
            files = digests(work, record.APART)
            made = Provenance(files=files, rests_on=dict(rests_on or {}), replaces=replaces or ())
            text = with_field(record.to_json(), "provenance", made.model_dump_json())
            commit_bytes(work / RECORD, sealed(text))
            return self.finish(stage, key)
